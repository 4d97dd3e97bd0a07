import { type StepTable, stepTable, type Tables } from './tables.ts'

/**
 * Matches steps with simultaneous events, each event to one step: bipartite matching by augmenting paths (Kuhn 1955), over kinds of
 * event with how many there are, since events of one kind are alike.
 */
export class Matching {
  readonly #tables: Tables
  readonly #table: StepTable
  /** The distinct codes of the events at hand and how many there are of each, and how many are used. */
  readonly #kinds: number[] = []
  readonly #free = new Map<number, number>()
  /** The code that fills each step, −1 for none. */
  readonly #holder: Int32Array
  readonly #seen: Uint8Array

  constructor(tables: Tables) {
    this.#tables = tables
    this.#table = stepTable(tables)
    this.#holder = new Int32Array(tables.steps).fill(-1)
    this.#seen = new Uint8Array(tables.codes)
  }

  /**
   * How many of the steps from `step` on, in a row, can be filled with the events from `from` up to `to`. `event`, where given, gets the index of
   * each step's event.
   */
  advance(code: Uint32Array, from: number, to: number, step: number, event?: Int32Array): number {
    const { steps, codes, match } = this.#tables
    if (to - from === 1) {
      if (step >= steps || match[step * codes + code[from]!] !== 1) return 0
      if (event) event[step] = from
      return 1
    }
    this.#load(code, from, to)
    this.#holder.fill(-1)
    let reached = step
    while (reached < steps && this.#fill(reached)) reached += 1
    if (event) this.#assign(code, from, to, step, reached, event)
    return reached - step
  }

  /** Can every one of the events from `from` up to `to` that match step 0 be used among the first `steps` steps? */
  usesAllEntries(code: Uint32Array, from: number, to: number, steps: number): boolean {
    const { match } = this.#tables
    this.#holder.fill(-1)
    const seen = new Uint8Array(steps)
    for (let i = from; i < to; i++) {
      if (match[code[i]!] !== 1) continue
      seen.fill(0)
      if (!this.#place(code[i]!, steps, seen)) return false
    }
    return true
  }

  #load(code: Uint32Array, from: number, to: number): void {
    this.#kinds.length = 0
    this.#free.clear()
    for (let i = from; i < to; i++) {
      const kind = code[i]!
      const count = this.#free.get(kind)
      if (count === undefined) this.#kinds.push(kind)
      this.#free.set(kind, (count ?? 0) + 1)
    }
  }

  #fill(step: number): boolean {
    for (const kind of this.#kinds) this.#seen[kind] = 0
    return this.#augment(step)
  }

  #augment(step: number): boolean {
    const { codes, match } = this.#tables
    for (const kind of this.#kinds) {
      if (this.#seen[kind] === 1 || match[step * codes + kind] !== 1) continue
      this.#seen[kind] = 1
      const free = this.#free.get(kind)!
      if (free > 0) {
        this.#free.set(kind, free - 1)
        this.#holder[step] = kind
        return true
      }
      for (let other = 0; other < this.#holder.length; other++) {
        if (this.#holder[other] !== kind || !this.#augment(other)) continue
        this.#holder[step] = kind
        return true
      }
    }
    return false
  }

  /** Finds an event of this kind a place among the first steps, moving others where that helps. */
  #place(kind: number, steps: number, seen: Uint8Array): boolean {
    const { start, step } = this.#table
    for (let j = start[kind]!; j < start[kind + 1]!; j++) {
      const s = step[j]!
      if (s >= steps || seen[s] === 1) continue
      seen[s] = 1
      const holder = this.#holder[s]!
      if (holder >= 0 && !this.#place(holder, steps, seen)) continue
      this.#holder[s] = kind
      return true
    }
    return false
  }

  #assign(
    code: Uint32Array,
    from: number,
    to: number,
    step: number,
    reached: number,
    event: Int32Array,
  ): void {
    const next = new Map<number, number>()
    for (let s = step; s < reached; s++) {
      const kind = this.#holder[s]!
      let i = next.get(kind) ?? from
      while (i < to && code[i] !== kind) i += 1
      event[s] = i
      next.set(kind, i + 1)
    }
  }
}
