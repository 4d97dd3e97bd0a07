import { KeyMap } from './keyMap.ts'
import type { AnyRow, RowKey, Tally } from './projection.ts'

/** What is to be added to one row of a tally. */
export interface TallyDelta {
  readonly key: RowKey
  readonly add: number[]
}

/** What changed rows change in a tally's sums; whatever comes to nothing is left out. Pure. */
export function tallyDeltas(
  tally: Tally<object>,
  changed: Iterable<{ readonly before: AnyRow | null; readonly row: AnyRow | null }>,
): TallyDelta[] {
  const deltas = new KeyMap<TallyDelta>()
  const add = (row: AnyRow | null, sign: 1 | -1) => {
    if (row === null) return
    for (const { key, add: amounts } of tally.of(row)) {
      const delta = deltas.entry(key, () => ({ key, add: amounts.map(() => 0) }))
      for (let index = 0; index < amounts.length; index++) delta.add[index]! += sign * amounts[index]!
    }
  }
  for (const { before, row } of changed) {
    add(before, -1)
    add(row, 1)
  }
  return deltas.values.filter(({ add: amounts }) => amounts.some((amount) => amount !== 0))
}
