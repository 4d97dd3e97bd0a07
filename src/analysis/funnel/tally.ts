import type { FunnelCounts } from './execute.ts'
import type { FunnelPlan } from './funnelPlan.ts'

/** Counts what units did, as they are met. */
export class Tally {
  excluded = 0
  unclear = 0
  readonly #plan: FunnelPlan
  readonly #reached: Float64Array
  readonly #open: Float64Array
  readonly #openFrom: number
  /** For each step but the first: ms since the step before, and the group. */
  readonly #ms: readonly Float64Array[]
  readonly #group: readonly Uint32Array[]
  readonly #length: Uint32Array

  /** For a share of a plan's units, `of` parts being made of them. */
  constructor(plan: FunnelPlan, of: number) {
    const { steps, groups, window, asOf } = plan
    this.#plan = plan
    this.#reached = new Float64Array(groups * (steps + 1))
    this.#open = new Float64Array(groups * (steps + 1))
    this.#openFrom = Number.isFinite(window) ? asOf - window : Number.POSITIVE_INFINITY
    const rooms = roomFor(plan, of)
    this.#ms = rooms.map((room) => new Float64Array(room))
    this.#group = rooms.map((room) => new Uint32Array(groups > 1 ? room : 0))
    this.#length = new Uint32Array(rooms.length)
  }

  /** A unit that got as far as `depth`, at these times. */
  readonly record = (unit: number, depth: number, at: Float64Array): void => {
    const { groupOf, groups, steps } = this.#plan
    const group = groupOf === null ? 0 : groupOf[unit]!
    if (group < 0) return
    const cell = group * (steps + 1) + depth
    this.#reached[cell]! += 1
    if (at[0]! >= this.#openFrom) this.#open[cell]! += 1
    for (let step = 1; step < depth; step++) {
      const place = this.#length[step - 1]!++
      this.#ms[step - 1]![place] = at[step]! - at[step - 1]!
      if (groups > 1) this.#group[step - 1]![place] = group
    }
  }

  counts(): FunnelCounts {
    const grouped = this.#plan.groups > 1
    return {
      reached: this.#reached,
      open: this.#open,
      excluded: this.excluded,
      unclear: this.unclear,
      durations: this.#ms.map((ms, i) => {
        const length = this.#length[i]!
        return [{ ms: ms.subarray(0, length), group: grouped ? this.#group[i]!.subarray(0, length) : null }]
      }),
    }
  }
}

/** Room for the durations of each step: no more units can reach it than there are events for it, or units. Untouched, it costs nothing. */
function roomFor({ coding, steps, units, order }: FunnelPlan, of: number): number[] {
  const { codes, matches, counts } = coding
  let room = Math.ceil(units / of) + coding.runs.length
  return Array.from({ length: steps - 1 }, (_, i) => {
    const step = i + 1
    let events = 0
    for (let c = 0; c < codes; c++) if (matches[step * codes + c] === 1) events += counts[c]!
    if (order !== 'unordered') room = Math.min(room, events)
    return room
  })
}
