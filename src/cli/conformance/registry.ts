import type { Adapters } from './adapter.ts'
import { bayesianAdapters } from './bayesian.ts'
import { cupedAdapters } from './cuped.ts'
import { frequentistAdapters } from './frequentist.ts'
import { funnelAdapters } from './funnels.ts'
import { outcomeAdapters } from './outcomes.ts'
import { planningAdapters } from './planning.ts'
import { retentionAdapters } from './retention.ts'
import { sequentialAdapters } from './sequential.ts'

/** Every category of case that can be checked. */
export const adapters: Adapters = {
  ...frequentistAdapters,
  ...bayesianAdapters,
  ...sequentialAdapters,
  ...cupedAdapters,
  ...planningAdapters,
  ...outcomeAdapters,
  ...funnelAdapters,
  ...retentionAdapters,
}
