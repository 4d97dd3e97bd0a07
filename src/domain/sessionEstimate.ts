import type { Survey } from './sessionSurvey.ts'
import { later } from './time.ts'

/** What a step takes that nobody measured or estimated, in seconds. */
const UNKNOWN_STEP_SECONDS = 300

/**
 * When the steps still to do will be done if one goes on from `at` without a break: their measured medians, else their estimates. It is
 * recorded with the event that changed it, so that a repeat answers the same and a replay shows what was thought then.
 */
export function estimateCompletion(
  survey: Survey,
  at: string,
  estimates: ReadonlyMap<string, number> = new Map(),
): string {
  let seconds = 0
  for (const { step, visible, met } of survey.steps) {
    if (!visible || met) continue
    const { estimatedMinutes } = step.definition
    seconds +=
      estimates.get(step.id) ??
      (estimatedMinutes === undefined ? UNKNOWN_STEP_SECONDS : estimatedMinutes * 60)
  }
  return later(at, seconds)
}
