import { HOUR, isActivity } from './ending.ts'
import type { HistoryEvent } from './history.ts'

/** Which of a flow's steps, signals and attribute values a model looks at, beside what every session has. */
export interface FeatureChoice {
  readonly steps: readonly string[]
  readonly signals: readonly string[]
  readonly attributes: readonly { readonly attribute: string; readonly value: unknown }[]
}

/** What is known of a session's attributes at a time (ms). */
export type AttributesAt = (at: number) => ReadonlyMap<string, unknown>

/** An idle time counts up to here: longer than training has seen says nothing more. */
const LONGEST_IDLE_HOURS = 168

const COMMON = [
  'stepsMet',
  'hoursSinceStart',
  'hoursSinceActivity',
  'failedValidations',
  'returns',
  'skipped',
  'drafts',
  'pauses',
  'paused',
  'stepOpen',
  'signals',
  'startedOnWeekend',
] as const

export function featureNames({ steps, signals, attributes }: FeatureChoice): string[] {
  return [
    ...COMMON,
    ...steps.map((step) => `completed:${step}`),
    ...signals.map((signal) => `signal:${signal}`),
    ...attributes.map(({ attribute, value }) => `${attribute}=${JSON.stringify(value)}`),
  ]
}

/**
 * The features of a session at a moment (ms), in the order of their names, from what had happened by then: `past` is all it is given.
 * Counts and hours are logarithms of one more, so that the first of them weigh more than the hundredth.
 */
export function featuresAt(
  past: readonly HistoryEvent[],
  at: number,
  attributesAt: AttributesAt,
  choice: FeatureChoice,
): number[] {
  const met = new Set<string>()
  const completed = new Set<string>()
  const open = new Set<string>()
  const tracked = new Map<string, number>()
  let [failures, returns, skipped, drafts, pauses, paused, signals] = [0, 0, 0, 0, 0, 0, 0]
  let last = past[0]!.time
  for (const event of past) {
    if (isActivity(event)) last = event.time
    const step = event.step ?? ''
    switch (event.type) {
      case 'StepStarted':
        if (!met.has(step)) open.add(step)
        break
      case 'StepSaved':
        drafts += 1
        break
      case 'StepCompleted':
        if (completed.has(step)) returns += 1
        completed.add(step)
        met.add(step)
        open.delete(step)
        break
      case 'StepSkipped':
        skipped += 1
        met.add(step)
        open.delete(step)
        break
      case 'StepReopened':
        returns += 1
        met.delete(step)
        completed.delete(step)
        open.add(step)
        break
      case 'StepValidationFailed':
        failures += 1
        break
      case 'SessionPaused':
        pauses += 1
        paused = 1
        break
      case 'SessionResumed':
        paused = 0
        break
      case 'SignalTracked':
        signals += 1
        tracked.set(event.signal ?? '', (tracked.get(event.signal ?? '') ?? 0) + 1)
        break
    }
  }
  const day = new Date(past[0]!.time).getUTCDay()
  const known = attributesAt(at)
  return [
    met.size,
    Math.log1p(Math.max(0, at - past[0]!.time) / HOUR),
    Math.log1p(Math.min(LONGEST_IDLE_HOURS, Math.max(0, at - last) / HOUR)),
    Math.log1p(failures),
    Math.log1p(returns),
    Math.log1p(skipped),
    Math.log1p(drafts),
    Math.log1p(pauses),
    paused,
    open.size > 0 ? 1 : 0,
    Math.log1p(signals),
    day === 0 || day === 6 ? 1 : 0,
    ...choice.steps.map((step) => (completed.has(step) ? 1 : 0)),
    ...choice.signals.map((signal) => Math.log1p(tracked.get(signal) ?? 0)),
    ...choice.attributes.map(({ attribute, value }) =>
      JSON.stringify(known.get(attribute) ?? null) === JSON.stringify(value) ? 1 : 0,
    ),
  ]
}
