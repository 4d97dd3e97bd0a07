import type { ColumnarIndex, UnitKind, View } from '../columns/columnarIndex.ts'
import { MISSING } from '../columns/valueDictionary.ts'

/** Units shown a variant, numbered from 0 over all flows that were looked at. */
export interface Exposures {
  readonly size: number
  /** The one variant each was exposed to, by its place in the experiment; −1 for several. */
  readonly variant: Int32Array
  /** ms of the first exposure */
  readonly since: Float64Array
  /** The number of a flow's unit, −1 where it was not exposed; flows as they were given. */
  readonly places: readonly Int32Array[]
  readonly id: (unit: number) => string
  /** Variants that units were shown but the experiment does not have. */
  readonly strangers: ReadonlySet<string>
}

interface Seen {
  readonly index: ColumnarIndex
  readonly view: View
}

/** Who was exposed to an experiment up to `asOf` (ms). A user of several flows is one unit. */
export function exposuresOf(
  experiment: string,
  variants: readonly string[],
  kind: UnitKind,
  flows: readonly Seen[],
  asOf: number,
): Exposures {
  const variant: number[] = []
  const since: number[] = []
  const from: { readonly index: ColumnarIndex; readonly unit: number }[] = []
  const strangers = new Set<string>()
  const together = kind === 'user' && flows.length > 1 ? new Map<string, number>() : undefined

  const places = flows.map(({ index, view }) => {
    const place = new Int32Array(view.units).fill(-1)
    const shown = variantsByRow(index, experiment, variants, strangers)
    const exposure = index.codes.find('event', 'ExposureRecorded')
    if (!shown || exposure === undefined) return place
    for (const { unit, start, stale, code, time, row } of view.runs) {
      for (let slot = 0; slot < unit.length; slot++) {
        if (stale?.[slot]) continue
        for (let i = start[slot]!; i < start[slot + 1]! && time[i]! <= asOf; i++) {
          if (code[i] !== exposure) continue
          const arm = shown[row[i]!]!
          if (arm === NO_EXPOSURE) continue
          const u = unit[slot]!
          const known = place[u]! >= 0 ? place[u]! : together?.get(keyOf(index, kind, u))
          if (known === undefined) {
            place[u] = variant.push(arm) - 1
            since.push(time[i]!)
            from.push({ index, unit: u })
            together?.set(keyOf(index, kind, u), place[u]!)
          } else {
            place[u] = known
            if (variant[known] !== arm) variant[known] = SEVERAL
            if (time[i]! < since[known]!) since[known] = time[i]!
          }
        }
      }
    }
    return place
  })
  if (together) for (const [i, { index, view }] of flows.entries()) follow(index, view, places[i]!, together)

  const stranger = variants.length
  return {
    // Somebody who saw nothing but a variant that is none of the experiment's is not in it.
    ...counted(variant, since, places, from, stranger, kind),
    strangers,
  }
}

const NO_EXPOSURE = -2
const SEVERAL = -1

/** The variant that each row shows, `variants.length` for one that the experiment does not have. */
function variantsByRow(
  index: ColumnarIndex,
  experiment: string,
  variants: readonly string[],
  strangers: Set<string>,
): Int32Array | undefined {
  const experiments = index.properties.get('experiment')
  const shown = index.properties.get('variant')
  const wanted = experiments?.dictionary.find(experiment)
  if (!experiments || !shown || wanted === undefined || wanted === MISSING) return undefined
  const arms = shown.dictionary.values.map((value) => {
    const arm = variants.indexOf(String(value))
    return arm >= 0 ? arm : variants.length
  })
  const byRow = new Int32Array(index.events).fill(NO_EXPOSURE)
  let next = 0
  for (let i = 0; i < experiments.row.length; i++) {
    if (experiments.code.items[i] !== wanted) continue
    const row = experiments.row.items[i]!
    while (next < shown.row.length && shown.row.items[next]! < row) next++
    if (shown.row.items[next] !== row || next >= shown.row.length) continue
    const value = shown.code.items[next]!
    if (value === MISSING) continue
    byRow[row] = arms[value]!
    if (arms[value] === variants.length) strangers.add(String(shown.dictionary.value(value)))
  }
  return byRow
}

/** Users exposed in one flow are units in the others too. */
function follow(
  index: ColumnarIndex,
  view: View,
  place: Int32Array,
  together: ReadonlyMap<string, number>,
): void {
  for (const { unit, stale } of view.runs)
    for (let slot = 0; slot < unit.length; slot++) {
      const u = unit[slot]!
      if (!stale?.[slot] && place[u]! < 0) place[u] = together.get(keyOf(index, 'user', u)) ?? -1
    }
}

/** A session without a user is its own user, and nobody else's. */
function keyOf(index: ColumnarIndex, kind: UnitKind, unit: number): string {
  const named = kind === 'user' && index.users.userOf.get(unit) >= 0
  return `${named ? 'user' : 'session'}:${index.unitId(kind, unit)}`
}

function counted(
  variant: readonly number[],
  since: readonly number[],
  places: readonly Int32Array[],
  from: readonly { readonly index: ColumnarIndex; readonly unit: number }[],
  stranger: number,
  kind: UnitKind,
): Omit<Exposures, 'strangers'> {
  const kept: number[] = []
  const renumbered = new Int32Array(variant.length).fill(-1)
  for (let unit = 0; unit < variant.length; unit++)
    if (variant[unit] !== stranger) renumbered[unit] = kept.push(unit) - 1
  if (kept.length < variant.length)
    for (const place of places)
      for (let u = 0; u < place.length; u++) if (place[u]! >= 0) place[u] = renumbered[place[u]!]!
  return {
    size: kept.length,
    variant: Int32Array.from(kept, (unit) => variant[unit]!),
    since: Float64Array.from(kept, (unit) => since[unit]!),
    places,
    id: (unit) => {
      const { index, unit: there } = from[kept[unit]!]!
      return index.unitId(kind, there)
    },
  }
}
