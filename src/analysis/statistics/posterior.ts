import betainc from '@stdlib/math-base-special-betainc'
import betaln from '@stdlib/math-base-special-betaln'
import { normalAbove, normalBelow } from './normal.ts'
import { panels } from './quadrature.ts'

/**
 * A posterior on an axis where it is smooth and falls off on both sides: the real line for a normal, the log-odds for a
 * Beta (which tames the ends, where a Beta may be infinite). Everything asked of several posteriors at once is one
 * integral over that axis, so that the same question has the same answer every time.
 */
export interface Posterior {
  readonly mean: number
  /** Where most of it lies, and how wide, on the axis. */
  readonly centre: number
  readonly scale: number
  /** Beyond these there is nothing a double could hold. */
  readonly from: number
  readonly to: number
  /** Density along the axis. */
  readonly density: (at: number) => number
  readonly below: (at: number) => number
  readonly above: (at: number) => number
  /** How fast the value grows along the axis. */
  readonly stretch: (at: number) => number
  /** The value at a point of the axis. */
  readonly value: (at: number) => number
}

/** A normal posterior of mean ± deviation. A deviation of 0 is not one: see `pointPosteriors`. */
export function normalPosterior(mean: number, deviation: number): Posterior {
  return {
    mean,
    centre: mean,
    scale: deviation,
    from: mean - 38 * deviation,
    to: mean + 38 * deviation,
    density: (at) => Math.exp(-0.5 * ((at - mean) / deviation) ** 2) / (deviation * Math.sqrt(2 * Math.PI)),
    below: (at) => normalBelow((at - mean) / deviation),
    above: (at) => normalAbove((at - mean) / deviation),
    stretch: () => 1,
    value: (at) => at,
  }
}

/** Beta(a, b), a and b above 0, on the log-odds axis. */
export function betaPosterior(a: number, b: number): Posterior {
  const scale = Math.sqrt(1 / a + 1 / b)
  const centre = Math.log(a / b)
  const norm = betaln(a, b)
  const below = (at: number): number => (at < 0 ? lowerBeta(at) : 1 - upperBeta(at))
  const above = (at: number): number => (at < 0 ? 1 - lowerBeta(at) : upperBeta(at))
  // Each from the side where its argument is small and exact.
  const lowerBeta = (at: number): number => betainc(1 / (1 + Math.exp(-at)), a, b, true, false)
  const upperBeta = (at: number): number => betainc(1 / (1 + Math.exp(at)), b, a, true, false)
  return {
    mean: a / (a + b),
    centre,
    scale,
    // The tails fall as e^(a·at) and e^(−b·at).
    from: Math.max(-700, centre - 40 * Math.max(scale, 1 / a)),
    to: Math.min(700, centre + 40 * Math.max(scale, 1 / b)),
    density: (at) => Math.exp(-a * softplus(-at) - b * softplus(at) - norm),
    below,
    above,
    stretch: (at) => Math.exp(-softplus(-at) - softplus(at)),
    value: (at) => 1 / (1 + Math.exp(-at)),
  }
}

/** The axis cut where any of the posteriors turns, so that a narrow one is not stepped over by a wide one. */
export function grid(posteriors: readonly Posterior[]): { points: Float64Array; weights: Float64Array } {
  const from = Math.min(...posteriors.map((posterior) => posterior.from))
  const to = Math.max(...posteriors.map((posterior) => posterior.to))
  const cuts = new Set([from, to])
  for (const { centre, scale } of posteriors)
    for (const step of [-32, -16, -10, -7, -5, -3.5, -2, -1, 0, 1, 2, 3.5, 5, 7, 10, 16, 32]) {
      const cut = centre + step * scale
      if (cut > from && cut < to) cuts.add(cut)
    }
  return panels([...cuts].sort((a, b) => a - b))
}

/** log(1 + e^x) without overflow. */
const softplus = (x: number): number => (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x)))

/** The value that a posterior stays below with probability `p`. */
export function posteriorQuantile(posterior: Posterior, p: number): number {
  let [low, high] = [posterior.from, posterior.to]
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    const short = p < 0.5 ? posterior.below(middle) < p : posterior.above(middle) > 1 - p
    if (short) low = middle
    else high = middle
  }
  return posterior.value((low + high) / 2)
}

/** The equal-tailed interval that holds 1 − `alpha`. */
export const credibleInterval = (posterior: Posterior, alpha = 0.05): readonly [number, number] => [
  posteriorQuantile(posterior, alpha / 2),
  posteriorQuantile(posterior, 1 - alpha / 2),
]
