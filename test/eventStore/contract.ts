import { afterAll, beforeAll, describe } from 'vitest'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { appending } from './contractAppending.ts'
import { following } from './contractFollowing.ts'
import { reading } from './contractReading.ts'

/** The suite's stores: two nodes on one log. */
export interface Nodes {
  readonly store: EventStore
  readonly other: EventStore
  /** One more node, for a test that closes it. */
  open(): Promise<EventStore>
}

/**
 * What every engine of the EventStore port is held to. `open` opens one more store on the suite's log, which may hold other events
 * and be written by others meanwhile.
 */
export function describeEventStore(name: string, open: () => Promise<EventStore>): void {
  describe(`an event store: ${name}`, () => {
    const opened: EventStore[] = []
    const nodes = {
      open: async () => {
        const store = await open()
        opened.push(store)
        return store
      },
    } as { -readonly [K in keyof Nodes]: Nodes[K] }

    beforeAll(async () => {
      nodes.store = await nodes.open()
      nodes.other = await nodes.open()
    })
    afterAll(() => Promise.all(opened.map((store) => store.close())))

    appending(nodes)
    reading(nodes)
    following(nodes)
  })
}
