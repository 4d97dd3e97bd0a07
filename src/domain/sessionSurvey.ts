import type { CompiledFlow, CompiledStep } from './flow.ts'
import type { JsonObject } from './json.ts'
import type { SessionState, StepState } from './sessionState.ts'

/** How a session stands in its flow: which steps it sees, which are met and what keeps the others waiting. */
export interface Survey {
  /** In the order of looking. */
  readonly steps: readonly StepStanding[]
  readonly byId: ReadonlyMap<string, StepStanding>
  /** Whole percent of the visible steps that are met; 100 once completed. */
  readonly progress: number
}

export interface StepStanding {
  readonly step: CompiledStep
  readonly state: StepState | undefined
  readonly visible: boolean
  /** Completed or skipped. */
  readonly met: boolean
  /** The visible steps it depends on that are not met. */
  readonly blockedBy: readonly string[]
  /** Why its condition could not be evaluated; the step is visible then. */
  readonly failure: string | undefined
}

/**
 * One pass in the order of looking: a condition sees the answers of visible steps before its own, so one pass settles all of them.
 * A hidden step counts for nothing and nobody waits for it.
 */
export function survey(session: SessionState, flow: CompiledFlow, profile: JsonObject = {}): Survey {
  const answers = new Map<string, unknown>()
  const byId = new Map<string, StepStanding>()
  const facts = {
    context: session.context,
    answers,
    profile,
    session: {
      userId: session.userId,
      flowId: session.flowId,
      flowVersion: session.flowVersion,
      status: session.status,
      startedAt: session.startedAt,
    },
    pending: (id: string) => byId.has(id),
  }
  let visibleSteps = 0
  let metSteps = 0
  for (const step of flow.steps) {
    const verdict = step.visibleWhen?.evaluate(facts)
    const visible =
      verdict === undefined || verdict.kind === 'failed' || (verdict.kind === 'decided' && verdict.value)
    const state = session.steps.get(step.id)
    const met = state !== undefined && state.status !== 'open'
    const waitsFor = (id: string) => {
      const other = byId.get(id)
      return other?.visible === true && !other.met
    }
    const blockedBy = step.dependsOn.filter(waitsFor)
    const failure = verdict?.kind === 'failed' ? verdict.message : undefined
    byId.set(step.id, { step, state, visible, met, blockedBy, failure })
    if (!visible) continue
    visibleSteps += 1
    if (met) metSteps += 1
    if (state?.status === 'completed' && state.answer !== undefined) answers.set(step.id, state.answer.data)
  }
  return { steps: [...byId.values()], byId, progress: percent(session, metSteps, visibleSteps) }
}

function percent(session: SessionState, met: number, visible: number): number {
  if (session.status === 'completed') return 100
  return visible === 0 ? 0 : Math.floor((100 * met) / visible)
}
