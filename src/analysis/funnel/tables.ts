import type { FunnelPlan } from './funnelPlan.ts'

/** A plan's filters as the evaluators look them up. */
export interface Tables {
  readonly steps: number
  readonly codes: number
  /** 1 at step × codes + code where the event fills the step. */
  readonly match: Uint8Array
  /** The same for exclusions. */
  readonly exclude: Uint8Array
  readonly counted: Uint8Array
}

/** The bounds of a chain, ms. */
export interface Terms {
  readonly window: number
  readonly from: number
  readonly to: number
}

export function tablesOf({ coding, steps }: FunnelPlan): Tables {
  const { codes, matches, counted } = coding
  return {
    steps,
    codes,
    match: matches.slice(0, steps * codes),
    exclude: matches.slice(steps * codes),
    counted: counted.slice(),
  }
}

/** The steps that each code fills, deepest first: of code c those from start[c] up to start[c + 1]. */
export interface StepTable {
  readonly start: Int32Array
  readonly step: Int32Array
}

export function stepTable({ steps, codes, match }: Tables): StepTable {
  const start = new Int32Array(codes + 1)
  const step: number[] = []
  for (let c = 0; c < codes; c++) {
    for (let s = steps - 1; s >= 0; s--) if (match[s * codes + c] === 1) step.push(s)
    start[c + 1] = step.length
  }
  return { start, step: Int32Array.from(step) }
}
