import type { SessionState } from './sessionState.ts'
import type { StepStanding, Survey } from './sessionSurvey.ts'
import { later } from './time.ts'

/**
 * When a visible step is due: `dueInHours` after it became available, which is when the last of what it waits for was met, both the
 * steps it depends on and those whose answers its condition names; the session's beginning where it waits for none.
 * Undefined without `dueInHours` and while it waits.
 */
export function dueAt(
  { step, visible, blockedBy }: StepStanding,
  session: SessionState,
  outlook: Survey,
): string | undefined {
  const { dueInHours } = step.definition
  if (dueInHours === undefined || !visible || blockedBy.length > 0) return undefined
  let available = session.startedAt
  for (const id of [...step.dependsOn, ...(step.visibleWhen?.reads ?? [])]) {
    const metAt = outlook.byId.get(id)?.state?.metAt
    if (metAt !== undefined && metAt > available) available = metAt
  }
  return later(available, dueInHours * 3600)
}
