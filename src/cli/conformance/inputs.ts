import { momentsOfSums, ratioOf } from '../../analysis/statistics/moments.ts'
import { meanSample, proportionSample, type Sample } from '../../analysis/statistics/sample.ts'

/** An arm as the cited sources write it: sums, moments, counts or a ratio's sums. */
// biome-ignore lint/suspicious/noExplicitAny: foreign data, each source with its own names.
export function sampleFrom(arm: any): Sample {
  if (arm.m_sum !== undefined)
    return ratioOf(
      momentsOfSums({
        n: arm.n,
        m: arm.m_sum,
        mm: arm.m_sum_squares,
        d: arm.d_sum,
        dd: arm.d_sum_squares,
        md: arm.m_d_sum_of_products,
      }),
    )
  if (arm.variance !== undefined)
    return { n: arm.n, mean: arm.mean ?? arm.sum / arm.n, variance: arm.variance }
  const spread = arm.sd ?? arm.stddev ?? arm.std
  if (spread !== undefined) return { n: arm.n, mean: arm.mean ?? arm.sum / arm.n, variance: spread ** 2 }
  const sum = arm.sum ?? arm.x ?? arm.successes ?? arm.mean * arm.n
  const sumSquares = arm.sum_squares
  return sumSquares === undefined
    ? proportionSample({ x: sum, n: arm.n })
    : meanSample({ n: arm.n, sum, sumSquares })
}

/** Control and treatment, by whichever pair of names the case has. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export function armsOf(inputs: any): { control: any; treatment: any } {
  return {
    control: inputs.control ?? inputs.a ?? inputs.group1,
    treatment: inputs.treatment ?? inputs.test ?? inputs.variant ?? inputs.b ?? inputs.group2,
  }
}
