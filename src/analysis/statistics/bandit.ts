import { grid, type Posterior } from './posterior.ts'

/**
 * The chance of each arm to be the best (Thompson 1933; Scott 2010), exact by quadrature: ∫ fᵢ ∏ Fⱼ. `lowest` asks for
 * the arm with the lowest value instead. The answers sum to 1.
 */
export function chanceToBeBest(arms: readonly Posterior[], best: 'highest' | 'lowest' = 'highest'): number[] {
  if (arms.length === 1) return [1]
  const { points, weights } = grid(arms)
  const chances = arms.map(() => 0)
  const worse = new Float64Array(arms.length)
  for (const [i, at] of points.entries()) {
    for (const [arm, posterior] of arms.entries())
      worse[arm] = best === 'highest' ? posterior.below(at) : posterior.above(at)
    for (const [arm, posterior] of arms.entries()) {
      let beaten = weights[i]! * posterior.density(at)
      for (const [other, behind] of worse.entries()) if (other !== arm) beaten *= behind
      chances[arm]! += beaten
    }
  }
  const total = chances.reduce((sum, chance) => sum + chance, 0)
  return chances.map((chance) => chance / total)
}

/**
 * Weights with a floor under each: f + (1 − n·f)·wᵢ, so that every arm goes on being tried and the order of the arms
 * stays. A floor that leaves nothing to share out gives equal weights; a negative one is none.
 */
export function withFloor(weights: readonly number[], floor: number): number[] {
  const n = weights.length
  if (n * floor >= 1) return weights.map(() => 1 / n)
  const least = Math.max(0, floor)
  return weights.map((weight) => least + (1 - n * least) * weight)
}
