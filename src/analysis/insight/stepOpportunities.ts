import type { Interval } from '../statistics/interval.ts'
import { wilson } from '../statistics/twoProportions.ts'
import type { Ending } from './ending.ts'

/** One session, as far as it is looked at for what could be better. */
export interface Journey {
  readonly session: number
  readonly id: string
  readonly how: Ending['how']
  /** Its steps in the order in which they were first touched. */
  readonly visits: readonly JourneyVisit[]
}

export interface JourneyVisit {
  readonly step: string
  /** When it was first met, ms. */
  readonly metAt: number | null
  readonly met: boolean
  readonly failures: number
  readonly fields: ReadonlyMap<string, number>
  readonly submissions: number
}

/** A query that can be sent as it is. */
export interface ReadyQuery {
  readonly path: string
  readonly body: object
}

export interface StepOpportunity {
  readonly stepId: string
  /** Sessions that came to the step: met it, or stopped at it. Of those that have ended. */
  readonly reached: number
  /** Of them, those that ended there without being completed. */
  readonly lost: number
  readonly dropOff: number
  readonly dropOffCi: Interval
  /** Share of those who met the step that were completed. */
  readonly completionAfter: number | null
  /** Completions there would be more if nobody had stopped here, and they had fared as those who went on did. */
  readonly completionsToWin: number
  readonly ci: Interval
  /** Sessions still going on that stand at the step. */
  readonly inProgress: number
  readonly query: ReadyQuery
}

/**
 * Steps by the completions to be won: those who came there × the share that stopped × the share of those who went on that were completed.
 * A session without an end stands at the step it has touched last and not met, or else at the one that most often follows the last
 * one it met.
 */
export function stepOpportunities(
  journeys: readonly Journey[],
  flowId: string,
): { readonly steps: readonly StepOpportunity[]; readonly afterLastStep: number } {
  const followers = successors(journeys)
  const tally = new Map<string, { lost: number; met: number; completed: number; inProgress: number }>()
  const at = (step: string) => {
    const known = tally.get(step) ?? { lost: 0, met: 0, completed: 0, inProgress: 0 }
    tally.set(step, known)
    return known
  }
  let afterLastStep = 0
  for (const journey of journeys) {
    const { how, visits } = journey
    const stands = how === 'completed' ? undefined : standsAt(visits, followers)
    if (how === 'open') {
      if (stands !== undefined) at(stands).inProgress += 1
      continue
    }
    for (const { step, metAt } of visits) {
      if (metAt === null || step === stands) continue
      at(step).met += 1
      if (how === 'completed') at(step).completed += 1
    }
    if (stands !== undefined) at(stands).lost += 1
    else if (how !== 'completed') afterLastStep += 1
  }
  const steps = [...tally].map(([stepId, { lost, met, completed, inProgress }]) => ({
    stepId,
    ...gain({ lost, met, completed }),
    inProgress,
    query: queryOf(flowId, stepId, mostCommon(followers.before.get(stepId))),
  }))
  steps.sort(
    (a, b) => b.completionsToWin - a.completionsToWin || b.lost - a.lost || b.inProgress - a.inProgress,
  )
  return { steps, afterLastStep }
}

/**
 * reached × dropOff × completionAfter. The interval combines the Wilson limits of the two shares, on the log scale, as MOVER does for a
 * product (Zou & Donner 2008).
 */
export function gain({ lost, met, completed }: { lost: number; met: number; completed: number }) {
  const reached = lost + met
  const dropOff = reached === 0 ? 0 : lost / reached
  const after = met === 0 ? null : completed / met
  const dropOffCi: Interval = reached === 0 ? [0, 1] : wilson({ x: lost, n: reached })
  const afterCi: Interval = met === 0 ? [0, 1] : wilson({ x: completed, n: met })
  const share = dropOff * (after ?? 0)
  const reach = (side: 0 | 1) =>
    Math.exp(Math.hypot(Math.log(dropOffCi[side] / dropOff), Math.log(afterCi[side] / after!)))
  const ci: Interval =
    share > 0
      ? [(reached * share) / reach(0), Math.min(reached, reached * share * reach(1))]
      : [0, reached * dropOffCi[1] * afterCi[1]]
  return { reached, lost, dropOff, dropOffCi, completionAfter: after, completionsToWin: reached * share, ci }
}

interface Followers {
  /** By step, '' for the beginning: which step was met next, how often. */
  readonly after: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly before: ReadonlyMap<string, ReadonlyMap<string, number>>
}

function successors(journeys: readonly Journey[]): Followers {
  const after = new Map<string, Map<string, number>>()
  const before = new Map<string, Map<string, number>>()
  const count = (of: Map<string, Map<string, number>>, step: string, other: string) => {
    const counts = of.get(step) ?? new Map<string, number>()
    of.set(step, counts.set(other, (counts.get(other) ?? 0) + 1))
  }
  for (const { visits } of journeys) {
    let last = ''
    for (const { step } of metInOrder(visits)) {
      count(after, last, step)
      count(before, step, last)
      last = step
    }
  }
  return { after, before }
}

export const metInOrder = (visits: readonly JourneyVisit[]): JourneyVisit[] =>
  visits.filter(({ metAt }) => metAt !== null).sort((a, b) => a.metAt! - b.metAt!)

/** Undefined where everything was done that usually is. */
function standsAt(visits: readonly JourneyVisit[], { after }: Followers): string | undefined {
  const open = visits.findLast(({ met }) => !met)
  if (open) return open.step
  const done = new Set(visits.map(({ step }) => step))
  const last = metInOrder(visits).at(-1)?.step ?? ''
  const ahead = new Map([...(after.get(last) ?? [])].filter(([step]) => !done.has(step)))
  return mostCommon(ahead)
}

function mostCommon(counts: ReadonlyMap<string, number> | undefined): string | undefined {
  return [...(counts ?? [])].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0]
}

function queryOf(flowId: string, step: string, before: string | undefined): ReadyQuery {
  const entry = before ? { step: before } : { event: 'SessionStarted' }
  const steps = [entry, { step }, { event: 'SessionCompleted' }]
  return { path: '/analytics/funnels/query', body: { flowId, steps, unit: 'session' } }
}
