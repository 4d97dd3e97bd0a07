import type { Adapters } from './adapter.ts'

export const retentionAdapters: Adapters = {}
