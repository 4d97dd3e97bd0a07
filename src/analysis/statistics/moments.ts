import { ratioSample, type Sample } from './sample.ts'

/**
 * Means and co-moments over units of numerator `m`, denominator `d` and covariate `x`, kept centred (Welford 1962;
 * Chan, Golub & LeVeque 1983) so that large values with little spread lose nothing. One pass, mergeable: days, shards
 * and periods add up. `dd`, `xx`, … are sums of products of deviations, not yet divided.
 */
export interface Moments {
  n: number
  m: number
  d: number
  x: number
  mm: number
  dd: number
  xx: number
  md: number
  mx: number
  dx: number
}

export const noMoments = (): Moments => ({ n: 0, m: 0, d: 0, x: 0, mm: 0, dd: 0, xx: 0, md: 0, mx: 0, dx: 0 })

/** Takes one unit in, in place. A metric without denominator has 1, one without covariate 0. */
export function addUnit(into: Moments, m: number, d = 1, x = 0): void {
  into.n += 1
  const stepM = m - into.m
  const stepD = d - into.d
  const stepX = x - into.x
  into.m += stepM / into.n
  into.d += stepD / into.n
  into.x += stepX / into.n
  into.mm += stepM * (m - into.m)
  into.dd += stepD * (d - into.d)
  into.xx += stepX * (x - into.x)
  into.md += stepM * (d - into.d)
  into.mx += stepM * (x - into.x)
  into.dx += stepD * (x - into.x)
}

/** The moments of both sets of units together. */
export function mergeMoments(a: Moments, b: Moments): Moments {
  const n = a.n + b.n
  if (n === 0) return noMoments()
  const share = b.n / n
  const weight = a.n * share
  const stepM = b.m - a.m
  const stepD = b.d - a.d
  const stepX = b.x - a.x
  return {
    n,
    m: a.m + stepM * share,
    d: a.d + stepD * share,
    x: a.x + stepX * share,
    mm: a.mm + b.mm + stepM * stepM * weight,
    dd: a.dd + b.dd + stepD * stepD * weight,
    xx: a.xx + b.xx + stepX * stepX * weight,
    md: a.md + b.md + stepM * stepD * weight,
    mx: a.mx + b.mx + stepM * stepX * weight,
    dx: a.dx + b.dx + stepD * stepX * weight,
  }
}

/** From sums over units, as other systems keep them. What is left out is 0. */
export function momentsOfSums(sums: {
  readonly n: number
  readonly m: number
  readonly mm: number
  readonly d?: number
  readonly dd?: number
  readonly md?: number
  readonly x?: number
  readonly xx?: number
  readonly mx?: number
  readonly dx?: number
}): Moments {
  const { n, m, mm, d = 0, dd = 0, md = 0, x = 0, xx = 0, mx = 0, dx = 0 } = sums
  if (n === 0) return noMoments()
  return {
    n,
    m: m / n,
    d: d / n,
    x: x / n,
    mm: mm - (m * m) / n,
    dd: dd - (d * d) / n,
    xx: xx - (x * x) / n,
    md: md - (m * d) / n,
    mx: mx - (m * x) / n,
    dx: dx - (d * x) / n,
  }
}

/** The mean of `m` a unit; variance with ddof 1. */
export const meanOf = ({ n, m, mm }: Moments): Sample => ({
  n,
  mean: n > 0 ? m : Number.NaN,
  variance: n > 1 ? mm / (n - 1) : Number.NaN,
})

/** Total of `m` over total of `d`, by the delta method. */
export function ratioOf({ n, m, d, mm, dd, md }: Moments): Sample {
  const ddof1 = n > 1 ? n - 1 : Number.NaN
  return ratioSample({
    n,
    numerator: m,
    denominator: d,
    varNumerator: mm / ddof1,
    varDenominator: dd / ddof1,
    covariance: md / ddof1,
  })
}
