import type { Interval } from '../statistics/interval.ts'
import { wilson } from '../statistics/twoProportions.ts'
import { type Journey, metInOrder, type ReadyQuery } from './stepOpportunities.ts'

/** Two steps that were done the other way round. */
export interface OutOfOrder {
  /** Done first although it comes later. */
  readonly stepId: string
  readonly before: string
  /** Whose order is not kept: the flow's, or where it does not name both, that of most sessions. */
  readonly against: 'flow' | 'majority'
  /** Sessions that did it so, of those that did both. */
  readonly sessions: number
  readonly both: number
  readonly share: number
  readonly ci: Interval
  readonly query: ReadyQuery
}

const MOST = 20
/** Steps looked at, the most frequent ones. */
const MOST_STEPS = 60

export function outOfOrder(
  journeys: readonly Journey[],
  order: readonly string[],
  flowId: string,
): OutOfOrder[] {
  const steps = frequent(journeys)
  const number = new Map(steps.map((step, i) => [step, i]))
  const size = steps.length
  // How many sessions met step i before step j.
  const first = new Float64Array(size * size)
  for (const { visits } of journeys) {
    const met = metInOrder(visits).filter(({ step }) => number.has(step))
    for (let a = 0; a < met.length; a++)
      for (let b = a + 1; b < met.length; b++)
        if (met[a]!.metAt! < met[b]!.metAt!)
          first[number.get(met[a]!.step)! * size + number.get(met[b]!.step)!]! += 1
  }
  const place = new Map(order.map((step, i) => [step, i]))
  const found: OutOfOrder[] = []
  for (let early = 0; early < size; early++) {
    for (let late = 0; late < size; late++) {
      if (early === late) continue
      const sessions = first[late * size + early]!
      const usual = first[early * size + late]!
      const [a, b] = [place.get(steps[early]!), place.get(steps[late]!)]
      const listed = a !== undefined && b !== undefined
      const wrong = listed ? a < b : usual > sessions
      if (!wrong || sessions === 0) continue
      const both = sessions + usual
      found.push({
        stepId: steps[late]!,
        before: steps[early]!,
        against: listed ? 'flow' : 'majority',
        sessions,
        both,
        share: sessions / both,
        ci: wilson({ x: sessions, n: both }),
        query: queryOf(flowId, steps[late]!, steps[early]!),
      })
    }
  }
  return found.sort((a, b) => b.sessions - a.sessions || b.share - a.share).slice(0, MOST)
}

function frequent(journeys: readonly Journey[]): string[] {
  const counts = new Map<string, number>()
  for (const { visits } of journeys)
    for (const { step, metAt } of visits) if (metAt !== null) counts.set(step, (counts.get(step) ?? 0) + 1)
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_STEPS)
    .map(([step]) => step)
}

function queryOf(flowId: string, late: string, early: string): ReadyQuery {
  const steps = [{ step: late }, { step: early }]
  return { path: '/analytics/funnels/query', body: { flowId, steps, unit: 'session' } }
}
