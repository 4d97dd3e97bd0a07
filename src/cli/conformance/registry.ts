import type { Adapters } from './adapter.ts'
import { funnelAdapters } from './funnels.ts'
import { retentionAdapters } from './retention.ts'

/** Every category of case that can be checked. */
export const adapters: Adapters = {
  ...funnelAdapters,
  ...retentionAdapters,
}
