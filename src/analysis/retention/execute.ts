import { type Pieces, piecesOf, take } from '../plan/pieces.ts'
import { Calendar } from './calendar.ts'
import type { RetentionPlan } from './retentionPlan.ts'
import type { Bracket } from './retentionQuery.ts'

/** One cohort, or the part of it that one thread counted. */
export interface CohortCounts {
  /** Number of the calendar period; see Calendar. */
  readonly number: number
  size: number
  /** Units that returned, by bracket. */
  readonly returned: Float64Array
  /**
   * Units by how many whole periods lie between their start and asOf, at most the last bracket's end + 1: a period begins by asOf for those
   * with at least its number, and is over for those with more.
   */
  readonly age: Float64Array
}

const LENGTH = { hour: 36e5, day: 864e5, week: 7 * 864e5, month: 30 * 864e5 }
const HOUR = 36e5

/** Runs a plan over the pieces that are left of its units. */
export function executeRetention(plan: RetentionPlan, pieces: Pieces = piecesOf(1)): CohortCounts[] {
  const { coding, groupOf, asOf } = plan
  const { matches } = coding
  const cohorts = new Cohorts(plan)
  const follow = plan.options.recurring ? followRecurring(plan, cohorts) : followFirst(plan, cohorts)
  for (const slots of take(pieces)) {
    for (const { unit, start, stale, time, code } of coding.runs) {
      const [first, last] = slots(unit.length)
      for (let slot = first; slot < last; slot++) {
        if (stale !== null && stale[slot] === 1) continue
        if (groupOf !== null && groupOf[unit[slot]!]! < 0) continue
        const to = start[slot + 1]!
        for (let i = start[slot]!; i < to; i++) {
          if (matches[code[i]!] !== 1) continue
          if (time[i]! <= asOf) follow(code, time, i, to)
          break
        }
      }
    }
  }
  return cohorts.list()
}

type Follow = (code: Uint32Array, time: Float64Array, first: number, to: number) => void

/** Counts a unit in the cohort of its first cohortBy event, at `first`. */
function followFirst(plan: RetentionPlan, cohorts: Cohorts): Follow {
  const { coding, brackets, rolling, onOrAfter, asOf, options, period } = plan
  const { codes } = coding
  const back = coding.matches.slice(codes)
  const calendar = new Calendar(period, plan.zone, plan.weekStart)
  const length = LENGTH[period]
  const floor = options.floorToHour ? HOUR : 1
  const lastPeriod = brackets.reduce((most, { to }) => Math.max(most, to), 0)
  const returns = new Returns(brackets)
  return (code, time, first, to) => {
    const began = Math.floor(time[first]! / floor) * floor
    const cohort = calendar.number(time[first]!)
    const age = rolling ? Math.floor((asOf - began) / length) : cohorts.now - cohort
    const { returned } = cohorts.join(cohort, age)
    returns.begin()
    let latest = -1
    /** Until then events are in the period that was counted last. */
    let end = Number.NEGATIVE_INFINITY
    if (!options.othersOnly) {
      latest = 0
      end = rolling ? began + length : calendar.end
      if (!onOrAfter) returns.count(0, returned)
    }
    // Most units are gone before their first period ends.
    const last = time[to - 1]!
    for (let i = first + 1; i < to && last >= end; i++) {
      if (back[code[i]!] !== 1) continue
      const t = time[i]!
      if (t < end) continue
      if (t > asOf) break
      if (rolling) {
        latest = Math.floor((Math.floor(t / floor) * floor - began) / length)
        end = began + (latest + 1) * length
      } else {
        latest = calendar.number(t) - cohort
        end = calendar.end
      }
      if (onOrAfter) continue
      if (latest > lastPeriod) break
      returns.count(latest, returned)
    }
    if (!onOrAfter) return
    for (let b = 0; b < brackets.length; b++) if (latest >= brackets[b]!.from) returned[b]! += 1
  }
}

/** Counts each unit once a bracket. */
class Returns {
  readonly #brackets: readonly Bracket[]
  /** Whether bracket n is period n. */
  readonly #plain: boolean
  /** The unit that was counted last in each bracket. */
  readonly #counted: Uint32Array
  #unit = 0

  constructor(brackets: readonly Bracket[]) {
    this.#brackets = brackets
    this.#plain = brackets.every(({ from, to }, i) => from === i && to === i)
    this.#counted = new Uint32Array(brackets.length)
  }

  begin(): void {
    this.#unit += 1
  }

  count(period: number, returned: Float64Array): void {
    if (this.#plain) {
      this.#mark(period, returned)
      return
    }
    for (let b = 0; b < this.#brackets.length; b++) {
      const { from, to } = this.#brackets[b]!
      if (period >= from && period <= to) this.#mark(b, returned)
    }
  }

  #mark(bracket: number, returned: Float64Array): void {
    if (this.#counted[bracket] === this.#unit) return
    this.#counted[bracket] = this.#unit
    returned[bracket]! += 1
  }
}

/** Counts a unit in the cohort of every period in which it did cohortBy. Calendar periods only. */
function followRecurring(plan: RetentionPlan, cohorts: Cohorts): Follow {
  const { coding, brackets, onOrAfter, asOf, period } = plan
  const { codes, matches } = coding
  const calendar = new Calendar(period, plan.zone, plan.weekStart)
  return (code, time, first, to) => {
    const entered = new Set<number>()
    const back = new Set<number>()
    for (let i = first; i < to && time[i]! <= asOf; i++) {
      if (matches[code[i]!] === 1) entered.add(calendar.number(time[i]!))
      if (matches[codes + code[i]!] === 1) back.add(calendar.number(time[i]!))
    }
    for (const cohort of entered) {
      const { returned } = cohorts.join(cohort, cohorts.now - cohort)
      const numbers = [...back, cohort].map((number) => number - cohort)
      for (const [b, { from, to }] of brackets.entries()) {
        if (numbers.some((n) => n >= from && (onOrAfter || n <= to))) returned[b]! += 1
      }
    }
  }
}

/** The cohorts met so far, found by number. */
class Cohorts {
  /** The number of the calendar period that holds asOf. */
  readonly now: number
  readonly #met: CohortCounts[] = []
  readonly #place: Int32Array
  readonly #first: number
  readonly #ages: number
  readonly #cells: number

  constructor({ period, zone, weekStart, asOf, asOfOffset, oldest, newest, brackets }: RetentionPlan) {
    const calendar = new Calendar(period, zone, weekStart)
    const there = { from: Float64Array.of(Number.NEGATIVE_INFINITY), offset: Float64Array.of(asOfOffset) }
    this.now = new Calendar(period, there, weekStart).number(asOf)
    this.#first = calendar.number(oldest)
    this.#place = new Int32Array(calendar.number(newest) - this.#first + 2)
    this.#ages = brackets.reduce((most, { to }) => Math.max(most, to), 0) + 2
    this.#cells = brackets.length
  }

  /** The cohort of that number, with one more unit of that age. */
  join(number: number, age: number): CohortCounts {
    const place = this.#place[number - this.#first]!
    const cohort = place > 0 ? this.#met[place - 1]! : this.#begin(number)
    cohort.size += 1
    cohort.age[Math.min(age, this.#ages - 1)]! += 1
    return cohort
  }

  list(): CohortCounts[] {
    return this.#met.sort((a, b) => a.number - b.number)
  }

  #begin(number: number): CohortCounts {
    const returned = new Float64Array(this.#cells)
    const cohort = { number, size: 0, returned, age: new Float64Array(this.#ages) }
    this.#place[number - this.#first] = this.#met.push(cohort)
    return cohort
  }
}

export function mergeCohorts(parts: readonly (readonly CohortCounts[])[]): CohortCounts[] {
  const merged = new Map<number, CohortCounts>()
  for (const cohort of parts.flat()) {
    const known = merged.get(cohort.number)
    if (!known) {
      merged.set(cohort.number, { ...cohort, returned: cohort.returned.slice(), age: cohort.age.slice() })
      continue
    }
    known.size += cohort.size
    for (let i = 0; i < known.returned.length; i++) known.returned[i]! += cohort.returned[i]!
    for (let i = 0; i < known.age.length; i++) known.age[i]! += cohort.age[i]!
  }
  return [...merged.values()].sort((a, b) => a.number - b.number)
}
