import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { shapeFaults } from '../domain/shapeFaults.ts'

/** The frames of the live socket: one schema checks what comes in, gives the types and documents (`/asyncapi.json`). */
const object = <P extends Type.TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })
const sessionId = Type.String({ minLength: 1, maxLength: 200 })
const revision = Type.Integer({ minimum: 0, description: 'Place of the event in its session, from 0' })
const time = Type.String({ format: 'date-time', description: 'ISO 8601, UTC, with milliseconds' })

export const clientFrames = {
  authenticate: {
    summary:
      'The first frame of a socket that brought neither header nor ticket; later, a fresh token of the same caller.',
    data: object({ token: Type.String({ minLength: 1, maxLength: 16_384 }) }),
  },
  join_session: {
    summary:
      'Asks for the events of a session: later than `after` from the log and then live (-1: all), or live only.',
    data: object({ sessionId, after: Type.Optional(Type.Integer({ minimum: -1, maximum: 2 ** 31 - 1 })) }),
  },
  leave_session: { summary: 'No more events of the session.', data: object({ sessionId }) },
  get_progress: { summary: 'Asks for a `progress_update`.', data: object({ sessionId }) },
} as const

export type ClientEvent = keyof typeof clientFrames
export type ClientFrame = {
  [E in ClientEvent]: { readonly event: E; readonly data: Static<(typeof clientFrames)[E]['data']> }
}[ClientEvent]

/** What every frame of an event says beside the event's own data. */
const recorded = {
  sessionId,
  type: Type.String({ description: 'Type of the event; see the catalogue of events' }),
  id: Type.String({ format: 'uuid' }),
  position: Type.String({ description: 'Place in the whole log, a token of digits' }),
  occurredAt: time,
  actor: Type.Object({ id: Type.String(), role: Type.String() }),
}
const stepId = Type.String()
const withMore = <P extends Type.TProperties>(properties: P) => Type.Object(properties)

export const serverFrames = {
  connected: {
    summary: 'The socket is authenticated.',
    data: withMore({
      userId: Type.String(),
      tenantId: Type.String(),
      roles: Type.Array(Type.String()),
      expiresAt: Type.String({
        ...time,
        description: 'The socket is closed (4401) then, unless a fresh token came.',
      }),
    }),
  },
  joined: {
    summary: 'The session was joined; its frames follow.',
    data: withMore({
      sessionId,
      revision: Type.Integer({ description: 'Revision of the session when it was joined' }),
      after: Type.Integer({ description: 'Frames begin with the event after this revision' }),
    }),
  },
  progress_update: {
    summary: 'How far the session is: after joining, when asked for, and after events that move it.',
    data: withMore({
      sessionId,
      revision,
      percent: Type.Integer({ minimum: 0, maximum: 100 }),
      completedSteps: Type.Array(stepId),
      currentStep: Type.Union([stepId, Type.Null()]),
      remainingSteps: Type.Array(stepId),
      milestones: Type.Array(Type.Integer()),
      estimatedCompletion: Type.Union([time, Type.Null()]),
    }),
  },
  step_completed: {
    seq: true,
    summary: 'StepCompleted: a step was submitted.',
    data: withMore({ ...recorded, stepId, data: Type.Unknown() }),
  },
  milestone_reached: {
    seq: true,
    summary: 'MilestoneReached: progress crossed a milestone for the first time.',
    data: withMore({ ...recorded, milestone: Type.Integer() }),
  },
  validation_error: {
    seq: true,
    summary: 'StepValidationFailed: a submission failed its schema.',
    data: withMore({
      ...recorded,
      stepId,
      errors: Type.Array(object({ pointer: Type.String(), detail: Type.String() })),
    }),
  },
  connection_test_result: {
    seq: true,
    summary: 'A connection to an outside system was tested.',
    data: withMore(recorded),
  },
  onboarding_completed: {
    seq: true,
    summary: 'SessionCompleted: the onboarding is done.',
    data: withMore(recorded),
  },
  session_event: {
    seq: true,
    summary: 'Every other event of the session; `data.data` is the event’s own data.',
    data: withMore({ ...recorded, stepId: Type.Optional(stepId), data: Type.Unknown() }),
  },
  resync_required: {
    summary: 'The socket could not keep up and is closed (1013): connect again and join with `after`.',
    data: withMore({
      sessions: Type.Array(object({ sessionId, sent: Type.Integer({ description: 'Last revision sent' }) })),
    }),
  },
  error: {
    summary: 'A frame was refused; the socket stays open unless the close code says otherwise.',
    data: withMore({
      code: Type.String(),
      detail: Type.String(),
      event: Type.Optional(Type.String({ description: 'The event of the frame that was refused' })),
      sessionId: Type.Optional(Type.String()),
      errors: Type.Optional(Type.Array(object({ pointer: Type.String(), detail: Type.String() }))),
    }),
  },
} as const

export type ServerEvent = keyof typeof serverFrames
export type ServerData<E extends ServerEvent> = Static<(typeof serverFrames)[E]['data']>

/** A frame as text. Event frames carry `seq`, the event's revision; the others have none. */
export function frameText<E extends ServerEvent>(event: E, data: ServerData<E>, seq?: number): string {
  return JSON.stringify(seq === undefined ? { event, data } : { event, data, seq })
}

export type FrameFault = Omit<ServerData<'error'>, 'sessionId'>

/** Larger frames are refused. */
const MAX_FRAME_BYTES = 64 * 1024

const validators = new Map(
  Object.entries(clientFrames).map(([event, { data }]) => [
    event,
    Compile(
      Type.Object(
        { event: Type.Literal(event), data, seq: Type.Optional(Type.Integer()) },
        { additionalProperties: false },
      ),
    ),
  ]),
)

/** Reads a frame, or says what is wrong with it; pointers are into the frame. */
export function readFrame(bytes: Buffer, isBinary: boolean): ClientFrame | { readonly fault: FrameFault } {
  if (isBinary) return fault('binary_frame', 'Frames are text.')
  if (bytes.length > MAX_FRAME_BYTES)
    return fault('frame_too_large', `A frame may have ${MAX_FRAME_BYTES} bytes.`)
  let frame: unknown
  try {
    frame = JSON.parse(bytes.toString('utf8'))
  } catch {
    return fault('malformed_json', 'A frame is a JSON object.')
  }
  const event = (frame as { event?: unknown } | null)?.event
  if (typeof frame !== 'object' || typeof event !== 'string')
    return fault('invalid_frame', 'A frame is {"event": …, "data": …}.')
  const validator = validators.get(event)
  if (!validator) return fault('unknown_event', `There is no event ${JSON.stringify(event.slice(0, 100))}.`)
  if (validator.Check(frame)) return frame as ClientFrame
  const errors = shapeFaults(validator.Errors(frame)).slice(0, 20)
  return {
    fault: {
      code: 'invalid_frame',
      detail: 'The frame does not have the shape of its event; see errors.',
      event,
      errors,
    },
  }
}

function fault(code: string, detail: string): { fault: FrameFault } {
  return { fault: { code, detail } }
}
