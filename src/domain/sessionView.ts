import type { CompiledFlow } from './flow.ts'
import type { JsonObject } from './json.ts'
import { dueAt } from './sessionDue.ts'
import type { SessionState, SessionStatus, StepState } from './sessionState.ts'
import { type StepStanding, type Survey, survey } from './sessionSurvey.ts'

/** A session as clients see it. Times are ISO 8601, UTC, milliseconds; steps are ids. */
export interface SessionView {
  readonly id: string
  readonly tenantId: string
  readonly userId: string | null
  readonly flowId: string
  readonly flowVersion: number
  readonly status: SessionStatus
  readonly currentStep: string | null
  readonly completedSteps: readonly string[]
  readonly skippedSteps: readonly string[]
  /** The answers of completed visible steps, and the drafts of those not completed. */
  readonly stepData: Readonly<Record<string, unknown>>
  /** The drafts among `stepData`, and those kept beside an answer. */
  readonly drafts: Readonly<Record<string, unknown>>
  readonly steps: readonly StepView[]
  readonly progress: number
  readonly milestones: readonly number[]
  readonly startedAt: string
  readonly lastActivityAt: string
  readonly completedAt?: string
  readonly abandonedAt?: string
  readonly estimatedCompletion?: string
  readonly context: JsonObject
  readonly conditionErrors?: readonly { readonly stepId: string; readonly message: string }[]
  readonly imported?: true
  readonly revision: number
}

export interface StepView {
  readonly stepId: string
  readonly status: 'locked' | 'available' | 'started' | 'completed' | 'skipped' | 'hidden'
  readonly required: boolean
  /** The steps it waits for. */
  readonly waitsFor?: readonly string[]
  readonly assignee?: string
  readonly startedAt?: string
  /** When it was completed or skipped, and by whom. */
  readonly metAt?: string
  readonly metBy?: string
  readonly dueAt?: string
  /** Only where the view is asked for at a time. */
  readonly overdue?: boolean
}

export interface ProgressView {
  readonly percent: number
  readonly completedSteps: readonly string[]
  readonly currentStep: string | null
  /** Visible steps not met, in the order of looking; none once completed. */
  readonly remainingSteps: readonly string[]
  readonly milestones: readonly number[]
  readonly estimatedCompletion: string | null
}

/** The session as it stands. With `now` it says which steps are overdue. Takes any history, also of steps the flow does not have. */
export function sessionView(
  id: string,
  tenant: string,
  session: SessionState,
  flow: CompiledFlow,
  revision: number,
  now?: string,
): SessionView {
  const outlook = survey(session, flow)
  const listed = listedSteps(session, flow, outlook)
  const progress = progressOf(session, outlook, listed)
  const errors = outlook.steps.flatMap(({ step, failure }) =>
    failure === undefined ? [] : [{ stepId: step.id, message: failure }],
  )
  return {
    id,
    tenantId: tenant,
    userId: session.userId,
    flowId: session.flowId,
    flowVersion: session.flowVersion,
    status: session.status === 'none' ? 'active' : session.status,
    currentStep: progress.currentStep,
    completedSteps: progress.completedSteps,
    skippedSteps: idsOf(listed, 'skipped'),
    stepData: record(listed, (step) => (step.status === 'completed' ? step.answer : step.draft)),
    drafts: record(listed, (step) => step.draft),
    steps: outlook.steps.map((standing) => stepView(standing, session, outlook, now)),
    progress: outlook.progress,
    milestones: session.milestones,
    startedAt: session.startedAt,
    lastActivityAt: session.lastActivityAt,
    ...(session.completedAt !== undefined && { completedAt: session.completedAt }),
    ...(session.abandonedAt !== undefined && { abandonedAt: session.abandonedAt }),
    ...(session.estimatedCompletion !== undefined && { estimatedCompletion: session.estimatedCompletion }),
    context: session.context,
    ...(errors.length > 0 && { conditionErrors: errors }),
    ...(session.imported && { imported: true as const }),
    revision,
  }
}

export function progressView(session: SessionState, flow: CompiledFlow): ProgressView {
  const outlook = survey(session, flow)
  return progressOf(session, outlook, listedSteps(session, flow, outlook))
}

type Listed = readonly (readonly [id: string, step: StepState])[]

function progressOf(session: SessionState, outlook: Survey, listed: Listed): ProgressView {
  const open =
    session.status === 'completed' ? [] : outlook.steps.filter(({ visible, met }) => visible && !met)
  return {
    percent: outlook.progress,
    completedSteps: idsOf(listed, 'completed'),
    currentStep: open.find(({ blockedBy }) => blockedBy.length === 0)?.step.id ?? null,
    remainingSteps: open.map(({ step }) => step.id),
    milestones: session.milestones,
    estimatedCompletion: session.estimatedCompletion ?? null,
  }
}

/** The visible steps that something happened at; of an imported session also those the flow does not have, as they came. */
function listedSteps(session: SessionState, flow: CompiledFlow, outlook: Survey): Listed {
  const listed: [string, StepState][] = []
  for (const { step, visible, state } of outlook.steps) {
    if (visible && state !== undefined) listed.push([step.id, state])
  }
  if (!session.imported) return listed
  const strangers = [...session.steps.entries()].filter(([id]) => !flow.stepById.has(id))
  return [...listed, ...strangers.sort(([, a], [, b]) => a.order - b.order)]
}

function idsOf(listed: Listed, status: StepState['status']): string[] {
  return listed.filter(([, step]) => step.status === status).map(([id]) => id)
}

/** `fromEntries` defines each property, so that a step named `__proto__` is one like any other. */
function record(
  listed: Listed,
  box: (step: StepState) => { readonly data: unknown } | undefined,
): Record<string, unknown> {
  return Object.fromEntries(
    listed.flatMap(([id, step]) => {
      const found = box(step)
      return found === undefined ? [] : [[id, found.data] as const]
    }),
  )
}

function stepView(
  standing: StepStanding,
  session: SessionState,
  outlook: Survey,
  now: string | undefined,
): StepView {
  const { step, state, blockedBy, visible, met } = standing
  const due = dueAt(standing, session, outlook)
  return {
    stepId: step.id,
    status: statusOf(standing),
    required: step.required,
    ...(visible && !met && blockedBy.length > 0 && { waitsFor: blockedBy }),
    ...(step.definition.assignee !== undefined && { assignee: step.definition.assignee }),
    ...(state?.startedAt !== undefined && { startedAt: state.startedAt }),
    ...(state?.metAt !== undefined && { metAt: state.metAt }),
    ...(state?.metBy !== undefined && { metBy: state.metBy }),
    ...(due !== undefined && { dueAt: due }),
    ...(due !== undefined && now !== undefined && { overdue: !met && due < now }),
  }
}

function statusOf({ visible, state, blockedBy }: StepStanding): StepView['status'] {
  if (!visible) return 'hidden'
  if (state !== undefined && state.status !== 'open') return state.status
  if (blockedBy.length > 0) return 'locked'
  return state?.startedAt === undefined && state?.draft === undefined ? 'available' : 'started'
}
