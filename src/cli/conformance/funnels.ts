import type { Adapters } from './adapter.ts'

export const funnelAdapters: Adapters = {}
