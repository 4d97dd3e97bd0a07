import type { CompiledFlow } from '../domain/flow.ts'

/** The published flows, compiled once a version. */
export interface Flows {
  /** Undefined when the tenant has no such flow or version. Without a version: the latest, as of now. */
  find(tenant: string, flowId: string, version?: number): Promise<PublishedFlow | undefined>
}

export interface PublishedFlow {
  readonly flow: CompiledFlow
  readonly publishedAt: string
}
