import type { Sample } from './sample.ts'

export type Scale = 'absolute' | 'relative'

/** Treatment against control. `standardError` of `estimate`; `df` by Welch–Satterthwaite; `n` units of both arms. */
export interface Effect {
  readonly estimate: number
  readonly standardError: number
  readonly df: number
  readonly n: number
}

/** (treatment − control) / |control|, so that its sign is that of the difference also where the control is negative. */
export const lift = (control: number, treatment: number): number => (treatment - control) / Math.abs(control)

/** The difference of two samples, or their lift by the delta method. */
export function effect(control: Sample, treatment: Sample, scale: Scale = 'absolute'): Effect {
  const a = control.variance / control.n
  const b = treatment.variance / treatment.n
  const df = (a + b) ** 2 / (a ** 2 / (control.n - 1) + b ** 2 / (treatment.n - 1))
  const n = control.n + treatment.n
  if (scale === 'absolute')
    return { estimate: treatment.mean - control.mean, standardError: Math.sqrt(a + b), df, n }
  const ratio = treatment.mean / control.mean
  const variance = (b + ratio * ratio * a) / control.mean ** 2
  return { estimate: lift(control.mean, treatment.mean), standardError: Math.sqrt(variance), df, n }
}
