import betainc from '@stdlib/math-base-special-betainc'
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
  /** Beyond these lies nothing that shows in a double. */
  readonly from: number
  readonly to: number
  /** The widest piece of the axis on which the nodes of one panel follow it. */
  readonly panel: number
  /** Density along the axis, up to a factor: divide by its own integral. */
  readonly density: (at: number) => number
  /** What lies below and above a point, each exact where it is small. */
  readonly tails: (at: number) => Tails
  /** How fast the value grows along the axis. */
  readonly stretch: (at: number) => number
  /** The value at a point of the axis. */
  readonly value: (at: number) => number
}

/** Deviations on either side that hold all but 1e-32 of a normal: nothing beyond shows in a double. */
const REACH = 12

/**
 * The logistic function has poles at ±πi: a panel of 6 keeps them a whole half-width away, so that 20 nodes find all digits of a
 * double. Without it, what lies between two narrow posteriors far apart was one panel, and losses were off by up to 1e-7.
 */
const LOGISTIC_PANEL = 6

interface Tails {
  readonly below: number
  readonly above: number
}

/** A normal posterior of mean ± deviation. The deviation is above 0. */
export function normalPosterior(mean: number, deviation: number): Posterior {
  return {
    mean,
    centre: mean,
    scale: deviation,
    from: mean - REACH * deviation,
    to: mean + REACH * deviation,
    // Beyond its own cuts it is 0 or 1.
    panel: Number.POSITIVE_INFINITY,
    density: (at) => Math.exp(-0.5 * ((at - mean) / deviation) ** 2),
    tails: (at) => ({
      below: normalBelow((at - mean) / deviation),
      above: normalAbove((at - mean) / deviation),
    }),
    stretch: () => 1,
    value: (at) => at,
  }
}

/** Beta(a, b), a and b above 0, on the log-odds axis. */
export function betaPosterior(a: number, b: number): Posterior {
  const scale = Math.sqrt(1 / a + 1 / b)
  const centre = Math.log(a / b)
  // Relative to its highest point: ln B(a, b) would cost seven digits where one of the two is large.
  const highest = -a * softplus(-centre) - b * softplus(centre)
  const logDensity = (at: number): number => -a * softplus(-at) - b * softplus(at) - highest
  /** Away from the centre until the density is as low as REACH deviations of a normal's. */
  const end = (step: number): number => {
    let away = step
    while (logDensity(centre + away) > -0.5 * REACH * REACH && Math.abs(centre + away) < 700) away *= 1.25
    return centre + away
  }
  return {
    mean: a / (a + b),
    centre,
    scale,
    from: end(-REACH * scale),
    to: end(REACH * scale),
    panel: LOGISTIC_PANEL,
    density: (at) => Math.exp(logDensity(at)),
    tails: (at) => {
      // From the side of the centre where the tail is the smaller of the two.
      const below = at < centre ? betainc(1 / (1 + Math.exp(-at)), a, b, true, false) : undefined
      const above = below === undefined ? betainc(1 / (1 + Math.exp(at)), b, a, true, false) : 1 - below
      return { below: below ?? 1 - above, above }
    },
    stretch: (at) => Math.exp(-softplus(-at) - softplus(at)),
    value: (at) => 1 / (1 + Math.exp(-at)),
  }
}

/** Deviations at which the axis is cut, so that no panel holds more than a smooth piece of any posterior. */
const STEPS = [-10, -7, -5, -3.5, -2, -1, 0, 1, 2, 3.5, 5, 7, 10]

/** The axis cut where any of the posteriors turns, so that a narrow one is not stepped over by a wide one. */
export function grid(posteriors: readonly Posterior[]): { points: Float64Array; weights: Float64Array } {
  const from = Math.min(...posteriors.map((posterior) => posterior.from))
  const to = Math.max(...posteriors.map((posterior) => posterior.to))
  const cuts = new Set([from, to])
  for (const { centre, scale } of posteriors)
    for (const step of STEPS) {
      const cut = centre + step * scale
      if (cut > from && cut < to) cuts.add(cut)
    }
  const widest = Math.min(...posteriors.map((posterior) => posterior.panel))
  const edges = [...cuts].sort((a, b) => a - b)
  return panels([from, ...edges.slice(1).flatMap((edge, i) => split(edges[i]!, edge, widest))], 20)
}

/** The ends of equal pieces of (low, high], none wider than `widest`. */
function split(low: number, high: number, widest: number): number[] {
  const pieces = Math.max(1, Math.ceil((high - low) / widest))
  return Array.from({ length: pieces }, (_, i) =>
    i + 1 === pieces ? high : low + ((high - low) * (i + 1)) / pieces,
  )
}

/** log(1 + e^x) without overflow. */
const softplus = (x: number): number => (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x)))

/** The value that a posterior stays below with probability `p`. */
function posteriorQuantile(posterior: Posterior, p: number): number {
  let [low, high] = [posterior.from, posterior.to]
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    const { below, above } = posterior.tails(middle)
    const short = p < 0.5 ? below < p : above > 1 - p
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
