import type { Decision, InputFault } from './decider.ts'
import type { CompiledFlow } from './flow.ts'
import type { MigrateSession } from './sessionCommands.ts'
import { conclude } from './sessionConclude.ts'
import type { SessionEvent } from './sessionEvents.ts'
import { evolveSession, type SessionState } from './sessionState.ts'
import { progressView } from './sessionView.ts'
import { validateAnswer } from './validateAnswer.ts'

/** Moves a session in flight to another version. One that ended, or stands on another version already, stays as it is. */
export function migrate(command: MigrateSession, session: SessionState): Decision<SessionEvent> {
  if (stays(command, session) !== undefined) return []
  const { flow, to, steps } = command
  return conclude(
    command,
    session,
    { type: 'SessionMigrated', data: { from: flow.version, to: to.version, steps: { ...steps } } },
    to,
  )
}

/**
 * Faults of a mapping, with pointers into the body of `POST /flows/:flowId/migrations`: a step that one of the versions does not
 * have, or two steps that would become one.
 */
export function migrationFaults(
  from: CompiledFlow,
  to: CompiledFlow,
  steps: Readonly<Record<string, string>>,
): InputFault[] {
  const faults: InputFault[] = []
  const taken = new Map<string, string>()
  for (const { id } of from.steps) {
    if (!Object.hasOwn(steps, id) && to.stepById.has(id)) taken.set(id, id)
  }
  for (const [old, renamed] of Object.entries(steps)) {
    const pointer = `/steps/${old.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (!from.stepById.has(old)) {
      faults.push({ pointer, detail: `Version ${from.version} has no step ${old}.` })
    }
    if (!to.stepById.has(renamed)) {
      faults.push({ pointer, detail: `Version ${to.version} has no step ${renamed}.` })
    }
    const other = taken.get(renamed)
    if (other !== undefined) {
      faults.push({ pointer, detail: `The steps ${other} and ${old} would both become ${renamed}.` })
    }
    taken.set(renamed, old)
  }
  return faults
}

/** What a migration would do to a session, or did. */
export interface MigrationOutcome {
  /** `moved`, or why the session stays: it ended, or is not on the version that is moved. */
  readonly outcome: 'moved' | 'not_in_flight' | 'other_version'
  readonly progress: { readonly before: number; readonly after: number }
  readonly currentStep: { readonly before: string | null; readonly after: string | null }
  /** Steps of the old version whose answers the new one has no place for; they stay in the log. */
  readonly left: readonly string[]
  /** Answers carried over that would not be accepted now, by their new step ids. They are kept as they are. */
  readonly invalid: readonly string[]
}

/** What `migrate` would do; pure, so that a dry run and the real one tell the same. */
export function previewMigration(command: MigrateSession, session: SessionState): MigrationOutcome {
  const before = progressView(session, command.flow)
  const stay = stays(command, session)
  if (stay !== undefined) {
    return {
      outcome: stay,
      progress: { before: before.percent, after: before.percent },
      currentStep: { before: before.currentStep, after: before.currentStep },
      left: [],
      invalid: [],
    }
  }
  const { flow, to, steps } = command
  const moved = evolveSession(session, {
    type: 'SessionMigrated',
    data: { from: flow.version, to: to.version, steps: { ...steps } },
  })
  const after = progressView(moved, to)
  const entries = [...moved.steps.entries()]
  return {
    outcome: 'moved',
    progress: { before: before.percent, after: after.percent },
    currentStep: { before: before.currentStep, after: after.currentStep },
    left: entries.flatMap(([id]) => (flow.stepById.has(id) && !to.stepById.has(id) ? [id] : [])),
    invalid: entries.flatMap(([id, { answer }]) => {
      const step = to.stepById.get(id)
      return step && answer && validateAnswer(step, answer.data).length > 0 ? [id] : []
    }),
  }
}

function stays(
  { flow, to }: MigrateSession,
  session: SessionState,
): 'not_in_flight' | 'other_version' | undefined {
  if (session.status !== 'active' && session.status !== 'paused') return 'not_in_flight'
  return session.flowVersion !== flow.version || to.version === flow.version ? 'other_version' : undefined
}
