import { ColumnarIndex } from '../../analysis/columns/columnarIndex.ts'
import type { AnalysisSource } from '../../analysis/plan/source.ts'
import type { SegmentRule } from '../../analysis/segments/segmentRule.ts'
import type { DefinitionEvent, DefinitionKind } from '../../domain/definitionEvents.ts'
import type { RecordedEvent } from '../../domain/envelope.ts'
import type { FlowEvent } from '../../domain/flowEvents.ts'
import type { JsonObject } from '../../domain/json.ts'
import { comparePositions, type Position, START } from '../../domain/position.ts'
import { parseStreamName } from '../../domain/stream.ts'

/** The categories of streams that the index takes in. */
export const indexedCategories = ['session', 'flow', 'definition'] as const

/** Somebody who wants to know which sessions of a flow have changed. */
export interface Watcher {
  readonly sessions: Set<number>
  /** Units were put together anew: all of them may have changed. */
  regrouped: boolean
}

export interface FlowIndex {
  readonly id: string
  readonly index: ColumnarIndex
  /** The step ids of all versions. */
  readonly steps: Set<string>
  published: boolean
  readonly watchers: Set<Watcher>
}

export interface Definition {
  readonly kind: DefinitionKind
  readonly key: string
  readonly definition: JsonObject
  /** Where the log says so. */
  readonly position: Position
}

export interface TenantIndex {
  readonly flows: Map<string, FlowIndex>
  readonly definitions: Map<string, Definition>
}

/** An event of the log by which a snapshot knows its log again. */
export interface Landmark {
  readonly position: Position
  readonly id: string
}

export const definitionName = (kind: DefinitionKind, key: string): string => `${kind}:${key}`

/** What analysis knows of the log: a columnar index for each flow of each tenant, and the saved definitions. A fold of events. */
export class AnalysisState {
  readonly tenants = new Map<string, TenantIndex>()
  /** Everything of the log up to here has been seen. */
  through: Position = START
  /** The last event taken in, and the one before it. */
  last: Landmark | undefined
  beforeLast: Position = START
  events = 0
  #lastFlow: FlowIndex | undefined

  /** Takes in the next event; one that was taken in before is passed over. */
  apply(event: RecordedEvent): void {
    if (this.last && comparePositions(event.position, this.last.position) <= 0) return
    const name = parseStreamName(event.stream)
    if (!name) return
    this.beforeLast = this.last?.position ?? START
    this.last = { position: event.position, id: event.id }
    const tenant = this.tenant(name.tenant)
    switch (name.category) {
      case 'session':
        this.#takeIn(tenant, name.id, event)
        return
      case 'flow':
        this.#publish(tenant, event as unknown as RecordedEvent<FlowEvent>)
        return
      case 'definition':
        define(tenant, event as unknown as RecordedEvent<DefinitionEvent>)
    }
  }

  tenant(name: string): TenantIndex {
    let tenant = this.tenants.get(name)
    if (!tenant) {
      tenant = { flows: new Map(), definitions: new Map() }
      this.tenants.set(name, tenant)
    }
    return tenant
  }

  /** A flow as queries see it; undefined when the tenant has no such flow. */
  source(tenantName: string, flowId: string, now: number): AnalysisSource | undefined {
    const tenant = this.tenants.get(tenantName)
    const flow = tenant?.flows.get(flowId)
    if (!tenant || !flow) return undefined
    // An answer holds for the whole log up to here, also where the last events were not this flow's.
    flow.index.position = this.through
    return { index: flow.index, steps: [...flow.steps], segments: segmentsOf(tenant, flowId), now }
  }

  /** Bytes held by columns, and events, over all flows. */
  memory(): { bytes: number; events: number; flows: number } {
    let bytes = 0
    let flows = 0
    for (const tenant of this.tenants.values())
      for (const { index } of tenant.flows.values()) {
        const { events, ids, attributes, properties } = index.memory()
        bytes += events + ids + attributes + properties
        flows += 1
      }
    return { bytes, events: this.events, flows }
  }

  #takeIn(tenant: TenantIndex, sessionId: string, event: RecordedEvent): void {
    const { flowId } = event.data as { flowId?: unknown }
    const flow =
      event.type === 'SessionStarted'
        ? flowOf(tenant, String(flowId))
        : this.#flowOfSession(tenant, sessionId)
    if (!flow) return
    this.#lastFlow = flow
    this.events += 1
    const { index, watchers } = flow
    const usersBefore = watchers.size > 0 ? userOf(index, sessionId) : undefined
    index.append({
      position: event.position,
      sessionId,
      type: event.type,
      data: event.data,
      occurredAt: event.metadata.occurredAt,
      revision: event.revision,
    })
    if (watchers.size === 0) return
    const session = index.sessions.find(sessionId)
    const regrouped = usersBefore !== undefined && index.users.userOf.get(session) !== usersBefore
    for (const watcher of watchers) {
      watcher.sessions.add(session)
      if (regrouped) watcher.regrouped = true
    }
  }

  #flowOfSession(tenant: TenantIndex, sessionId: string): FlowIndex | undefined {
    const last = this.#lastFlow
    if (last && tenant.flows.get(last.id) === last && last.index.sessions.find(sessionId) >= 0) return last
    for (const flow of tenant.flows.values()) if (flow.index.sessions.find(sessionId) >= 0) return flow
    return undefined
  }

  #publish(tenant: TenantIndex, { data }: RecordedEvent<FlowEvent>): void {
    const flow = flowOf(tenant, data.flowId)
    flow.published = true
    for (const { id } of data.definition.steps) flow.steps.add(id)
  }
}

/** The user of a session known already, −1 for none; undefined of a session not seen yet. */
function userOf(index: ColumnarIndex, sessionId: string): number | undefined {
  const session = index.sessions.find(sessionId)
  return session < 0 ? undefined : index.users.userOf.get(session)
}

export function flowOf(tenant: TenantIndex, id: string): FlowIndex {
  let flow = tenant.flows.get(id)
  if (!flow) {
    flow = { id, index: new ColumnarIndex(), steps: new Set(), published: false, watchers: new Set() }
    tenant.flows.set(id, flow)
  }
  return flow
}

function define(tenant: TenantIndex, { type, data, position }: RecordedEvent<DefinitionEvent>): void {
  const name = definitionName(data.kind, data.key)
  switch (type) {
    case 'DefinitionSaved': {
      const { kind, key } = data
      tenant.definitions.set(name, { kind, key, definition: data.definition as JsonObject, position })
      return
    }
    case 'DefinitionDeleted':
      tenant.definitions.delete(name)
  }
}

/** The saved segments of a flow. */
function segmentsOf(tenant: TenantIndex, flowId: string): Map<string, SegmentRule> {
  const segments = new Map<string, SegmentRule>()
  for (const { kind, key, definition } of tenant.definitions.values())
    if (kind === 'segment' && definition.flowId === flowId)
      segments.set(key, definition.rule as unknown as SegmentRule)
  return segments
}
