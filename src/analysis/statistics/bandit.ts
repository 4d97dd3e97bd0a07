import { grid, type Posterior } from './posterior.ts'

/**
 * The chance of each arm to be the best (Thompson 1933; Scott 2010), exact by quadrature: ∫ fᵢ ∏ Fⱼ. `lowest` asks for
 * the arm with the lowest value instead. The answers sum to 1.
 */
export function chanceToBeBest(arms: readonly Posterior[], best: 'highest' | 'lowest' = 'highest'): number[] {
  if (arms.length === 1) return [1]
  const { points, weights } = grid(arms)
  const won = new Float64Array(arms.length)
  const mass = new Float64Array(arms.length)
  const behind = new Float64Array(arms.length)
  for (const [i, at] of points.entries()) {
    for (const [arm, posterior] of arms.entries())
      behind[arm] = posterior.tails(at)[best === 'highest' ? 'below' : 'above']
    for (const [arm, posterior] of arms.entries()) {
      const density = weights[i]! * posterior.density(at)
      let beaten = density
      for (const [other, share] of behind.entries()) if (other !== arm) beaten *= share
      won[arm]! += beaten
      mass[arm]! += density
    }
  }
  const chances = arms.map((_, arm) => won[arm]! / mass[arm]!)
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
