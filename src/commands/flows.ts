import { LRUCache } from 'lru-cache'
import type { StoredEvent } from '../domain/envelope.ts'
import { type CompiledFlow, planFlow } from '../domain/flow.ts'
import type { FlowEvent } from '../domain/flowEvents.ts'
import type { Position } from '../domain/position.ts'
import { streamName } from '../domain/stream.ts'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { createHeadReader } from './headReader.ts'

/** The published flows, compiled once a version. */
export interface Flows {
  /** Undefined when the tenant has no such flow or version. Without a version: the latest, as of now. */
  find(tenant: string, flowId: string, version?: number): Promise<PublishedFlow | undefined>
  /** The same where it is at hand, without asking the log. */
  peek(tenant: string, flowId: string, version: number): PublishedFlow | undefined
}

export interface PublishedFlow {
  readonly flow: CompiledFlow
  /** ISO 8601, UTC. */
  readonly publishedAt: string
  readonly position: Position
}

const REMEMBERED_VERSIONS = 2000

/**
 * Reads flows from their streams. A version never changes, so it is read and compiled once; version n is the event of revision
 * n − 1, so the latest is told by the stream's head alone.
 */
export function createFlows(store: EventStore): Flows {
  const versions = new LRUCache<string, PublishedFlow>({ max: REMEMBERED_VERSIONS })
  const reading = new Map<string, Promise<PublishedFlow | undefined>>()
  const readHead = createHeadReader(store)

  async function read(stream: string, version: number): Promise<PublishedFlow | undefined> {
    for await (const event of store.read(stream, { from: version - 1, limit: 1 })) {
      const published = compile(event)
      versions.set(nameOf(stream, version), published)
      return published
    }
    return undefined
  }

  return {
    async find(tenant, flowId, version) {
      const stream = streamName('flow', tenant, flowId)
      const wanted = version ?? ((await readHead(stream))?.revision ?? -1) + 1
      if (wanted < 1) return undefined
      const name = nameOf(stream, wanted)
      const known = versions.get(name)
      if (known) return known
      const under = reading.get(name) ?? read(stream, wanted).finally(() => reading.delete(name))
      reading.set(name, under)
      return under
    },
    peek: (tenant, flowId, version) => versions.get(nameOf(streamName('flow', tenant, flowId), version)),
  }
}

const nameOf = (stream: string, version: number) => `${version}:${stream}`

function compile(stored: StoredEvent): PublishedFlow {
  const { data } = decode(stored) as unknown as FlowEvent
  return {
    flow: planFlow(data.definition, data.version),
    publishedAt: stored.metadata.occurredAt,
    position: stored.position,
  }
}
