/** What one unit did in a funnel. One object is written over for every unit; nothing is allocated while scanning. */
export class Outcome {
  /** Steps reached; 0 when the unit never entered. */
  depth = 0
  /** Taken out by an exclusion; `depth` is what it would have been. */
  excluded = false
  /** Taken out although not every order of simultaneous events could be tried. */
  unclear = false
  /** Time of each step reached, ms. */
  readonly at: Float64Array
  /** Index of each step's event in the run. */
  readonly event: Int32Array

  constructor(steps: number) {
    this.at = new Float64Array(steps)
    this.event = new Int32Array(steps)
  }
}

/** Follows one unit through a funnel: its events are those of the run from `from` up to `to`. */
export type Evaluator = (
  code: Uint32Array,
  time: Float64Array,
  from: number,
  to: number,
  out: Outcome,
) => void
