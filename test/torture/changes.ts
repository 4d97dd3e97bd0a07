import type { FaultName } from './faults.ts'

/** A line of the service's code and what a node has in its place. */
export interface Change {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** A deliberate fault, which its invariant must catch. */
export interface Breakage extends Change {
  readonly invariant: number
  /** What shows it soonest. */
  readonly fault: FaultName
}

export const breakages: Readonly<Record<string, Breakage>> = {
  'repeats-forgotten': {
    invariant: 1,
    file: 'src/commands/job.ts',
    from: 'const first = context.keyed ? snapshot.commands.get(context.commandId) : undefined',
    to: 'const first = undefined',
    fault: 'client network cut',
  },
  'repeats-refused': {
    invariant: 2,
    file: 'src/commands/job.ts',
    from: "return { kind: 'repeat', revision: first }",
    to: "return told(refused({ refused: 'seen_before', status: 409, detail: 'It was sent before.' }))",
    fault: 'client network cut',
  },
  'positions-skipped': {
    invariant: 3,
    file: 'src/eventStore/postgresSchema.ts',
    from: 'update log.counter c set position = c.position + total returning',
    to: 'update log.counter c set position = c.position + total + 1 returning',
    fault: 'client network cut',
  },
  'fold-asks-the-clock': {
    invariant: 4,
    file: 'src/projections/sessions.ts',
    from: 'last_activity_at: occurredAt,',
    to: 'last_activity_at: new Date().toISOString(),',
    fault: 'client network cut',
  },
  'frames-lost': {
    invariant: 5,
    file: 'src/api/liveJoin.ts',
    from: 'if (this.#sink.send(next.texts)) this.#sent',
    to: 'if (next.last % 7 === 3 || this.#sink.send(next.texts)) this.#sent',
    fault: 'client network cut',
  },
  'tenants-mixed-up': {
    invariant: 6,
    file: 'src/api/sessionRoutes.ts',
    from: 'sessions.find(request.caller.tenant,',
    to: "sessions.find(request.caller.tenant === 'amber' ? 'birch' : 'amber',",
    fault: 'client network cut',
  },
  'imports-repeated': {
    invariant: 7,
    file: 'src/commands/import/importWriter.ts',
    from: 'if (known.lines.has(line.id)) return false',
    to: '',
    fault: 'client network cut',
  },
  'projecting-gives-up': {
    invariant: 8,
    file: 'src/projections/projector.ts',
    from: 'await pause(Math.min(25 * 2 ** attempt++, 1000))',
    to: 'await pause(attempt++ * 1e9)\n      await pause(1e9)',
    fault: 'postgres killed',
  },
  'sockets-kept': {
    invariant: 9,
    file: 'src/api/live.ts',
    from: 'connections.delete(connection)',
    to: '',
    fault: 'client network cut',
  },
  'never-shedding': {
    invariant: 10,
    file: 'src/api/shedding.ts',
    from: 'if (load.full ||',
    to: 'if (',
    fault: 'client network cut',
  },
}

export type Build = 'older' | 'coming'

/** What a node of another build has beside the others. Each change is one that happened, or may. */
export const builds: Readonly<Record<Build, readonly Change[]>> = {
  older: [
    // Its read model of sessions is one that a newer build has replaced.
    {
      file: 'src/projections/sessions.ts',
      from: "name: 'sessions',\n  version: 2,",
      to: "name: 'sessions',\n  version: 1,",
    },
    // Faults of a submission were plain texts without a pointer: version 1 of the event.
    {
      file: 'src/domain/sessionEvents.ts',
      from: '  StepValidationFailed: {\n    v: 2,',
      to: '  StepValidationFailed: {\n    v: 1,',
    },
    {
      file: 'src/domain/sessionEvents.ts',
      from: 'errors: Type.Array(object({ pointer: Type.String(), detail: Type.String() })),',
      to: 'errors: Type.Array(Type.String()),',
    },
    {
      file: 'src/domain/sessionRules.ts',
      from: '  const errors = validateAnswer(step, data)\n',
      to: "  const errors = validateAnswer(step, data).map((fault) => ({ ...fault, pointer: '' }))\n",
    },
    {
      file: 'src/domain/sessionRules.ts',
      from: "events: [{ type: 'StepValidationFailed', data: { stepId, errors } }]",
      to: "events: [{ type: 'StepValidationFailed', data: { stepId, errors: errors.map(({ detail }) => detail) } }]",
    },
    {
      file: 'src/commands/aggregates.ts',
      from: 'const { stepId, errors } = failed.data',
      to: `const { stepId } = failed.data
    const errors = failed.data.errors.map((fault) => (typeof fault === 'string' ? { pointer: '', detail: fault } : fault))`,
    },
  ],
  coming: [
    // A type of event that the others have never heard of, and a version of another that they do not know.
    {
      file: 'src/domain/sessionEvents.ts',
      from: '  SignalTracked: {\n    v: 1,',
      to: `  SessionNoticed: { v: 1, description: 'Somebody looked.', data: object({ signal: Type.String() }) },
  SignalTracked: {\n    v: 2,`,
    },
    {
      file: 'src/eventStore/upcasters.ts',
      from: '  StepValidationFailed: [',
      to: `  SignalTracked: [{ from: 1, description: 'It said less.', data: Type.Object({}), upcast: (data) => data }],
  StepValidationFailed: [`,
    },
    {
      file: 'src/domain/session.ts',
      from: "          type: 'SignalTracked',\n          data: {",
      to: "          type: 'SessionNoticed', data: { signal } },\n        {\n          type: 'SignalTracked',\n          data: {",
    },
    {
      file: 'src/domain/sessionState.ts',
      from: "    case 'SignalTracked':",
      to: "    case 'SessionNoticed':\n    case 'SignalTracked':",
    },
  ],
}
