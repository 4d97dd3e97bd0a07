import { normalAbove, normalBelow, normalDensity, twoSidedCritical } from './normal.ts'
import { panels } from './quadrature.ts'

/**
 * Group sequential bounds: a test with a few planned looks. All are two-sided and symmetric, in units of the z
 * statistic at each look.
 */

/** Spends `alpha` (two-sided) by the information fraction `t` in (0, 1]. */
export type Spending = (t: number, alpha: number) => number

/** O'Brien–Fleming type (Lan & DeMets 1983), spent half a side. */
export const obrienFlemingSpending: Spending = (t, alpha) =>
  t <= 0 ? 0 : 4 * normalAbove(twoSidedCritical(alpha / 2) / Math.sqrt(t))

/** Pocock type (Lan & DeMets 1983). */
export const pocockSpending: Spending = (t, alpha) => alpha * Math.log(1 + (Math.E - 1) * t)

/** The power family α·t^power (Kim & DeMets 1987). */
export const powerSpending =
  (power: number): Spending =>
  (t, alpha) =>
    alpha * t ** power

/**
 * Bounds that spend alpha as `spending` says at the given information fractions (increasing, the last at most 1), by
 * the recursive integration of Armitage, McPherson & Rowe (1969).
 */
export function spendingBounds(
  information: readonly number[],
  alpha = 0.05,
  spending = obrienFlemingSpending,
): number[] {
  const bounds: number[] = []
  let spent = 0
  let walk = new Walk()
  for (const t of information) {
    const target = spending(Math.min(1, t), alpha) - spent
    const bound = solve((z) => walk.crossing(t, z) - target, 0, 40)
    bounds.push(bound)
    spent += target
    walk = walk.survive(t, bound)
  }
  return bounds
}

/**
 * The classical bounds of `looks` equally spaced looks: all alike (Pocock 1977, `shape` 0.5) or falling with the
 * root of the look (O'Brien & Fleming 1979, `shape` 0), and what lies between (Wang & Tsiatis 1987).
 */
export function classicalBounds(looks: number, alpha = 0.05, shape = 0.5): number[] {
  const at = (constant: number): number[] =>
    Array.from({ length: looks }, (_, look) => constant * ((look + 1) / looks) ** (shape - 0.5))
  const constant = solve((c) => totalCrossing(at(c), looks) - alpha, 0.5, 12)
  return at(constant)
}

function totalCrossing(bounds: readonly number[], looks: number): number {
  let walk = new Walk()
  let total = 0
  for (const [look, bound] of bounds.entries()) {
    const t = (look + 1) / looks
    total += walk.crossing(t, bound)
    walk = walk.survive(t, bound)
  }
  return total
}

/**
 * A Brownian path that has not crossed yet: its density at the last look, on quadrature points. Before the first look
 * it stands at 0.
 */
class Walk {
  readonly t: number
  readonly points: Float64Array<ArrayBufferLike>
  /** Density × quadrature weight. */
  readonly mass: Float64Array<ArrayBufferLike>

  constructor(
    t = 0,
    points: Float64Array = new Float64Array([0]),
    mass: Float64Array = new Float64Array([1]),
  ) {
    this.t = t
    this.points = points
    this.mass = mass
  }

  /** P(not crossed before, |Z| ≥ bound at information t). */
  crossing(t: number, bound: number): number {
    const deviation = Math.sqrt(t - this.t)
    const edge = bound * Math.sqrt(t)
    let total = 0
    for (const [i, at] of this.points.entries())
      total += this.mass[i]! * (normalAbove((edge - at) / deviation) + normalBelow((-edge - at) / deviation))
    return total
  }

  survive(t: number, bound: number): Walk {
    const deviation = Math.sqrt(t - this.t)
    const edge = Math.min(bound, 12) * Math.sqrt(t)
    const count = Math.ceil((2 * edge) / deviation) + 1
    const { points, weights } = panels(
      Array.from({ length: count + 1 }, (_, i) => -edge + (2 * edge * i) / count),
      16,
    )
    const mass = new Float64Array(points.length)
    for (const [j, to] of points.entries()) {
      let density = 0
      for (const [i, from] of this.points.entries())
        density += this.mass[i]! * normalDensity((to - from) / deviation)
      mass[j] = (density / deviation) * weights[j]!
    }
    return new Walk(t, points, mass)
  }
}

/** Where a falling function passes 0. */
function solve(f: (x: number) => number, low: number, high: number): number {
  let [from, to] = [low, high]
  for (let step = 0; step < 80 && to - from > 1e-10; step++) {
    const middle = (from + to) / 2
    if (f(middle) > 0) from = middle
    else to = middle
  }
  return (from + to) / 2
}
