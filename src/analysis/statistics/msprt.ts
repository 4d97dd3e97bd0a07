import { twoSidedCritical } from './normal.ts'

export interface MixtureSprt {
  /** Variance of the normal prior over the effect. */
  readonly tau: number
  /** How many standard errors the always-valid interval reaches. */
  readonly critical: number
}

/**
 * The mixture sequential probability ratio test (Johari, Pekelis & Walsh 2015; Zhao et al. 2019, arXiv 1905.10493) for
 * an effect of sampling variance `variance`. The prior's variance is z² / 2 times that. `level` is α/2 in the
 * conservative form that Statsig prints, α in the paper's.
 */
export function mixtureSprt(variance: number, alpha = 0.05, level = alpha / 2): MixtureSprt {
  const z = twoSidedCritical(alpha)
  const tau = (variance * z * z) / 2
  const spread = variance + tau
  return {
    tau,
    critical: Math.sqrt((spread / tau) * (-2 * Math.log(level) - Math.log(variance / spread))),
  }
}

/** Always-valid p of a difference with a mixing prior of variance `tau` chosen beforehand. */
export function mixtureSprtP(difference: number, variance: number, tau: number): number {
  const spread = variance + tau
  const logLikelihood = 0.5 * Math.log(variance / spread) + (difference ** 2 * tau) / (2 * variance * spread)
  return Math.min(1, Math.exp(-logLikelihood))
}
