import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Build } from './changes.ts'
import type { Network } from './network.ts'
import { type Node, untilReady } from './node.ts'
import { poisonLog } from './poison.ts'
import { random as chance, type Random } from './random.ts'
import type { World } from './world.ts'

/** A way to break the world; when it is done, everything is whole again but for what the service has to mend itself. */
export interface Fault {
  /** What it hits: any of the nodes, one that clients talk to, or what all of them share. */
  readonly at: 'node' | 'api' | 'shared'
  /** Whether this world has what is to be broken; all have unless told. */
  readonly possible?: (world: World) => boolean
  readonly run: (world: World, where: Node, draw: Draw) => Promise<unknown>
}

/** What chance decided about a fault: its place and its length. */
export interface Draw {
  /** In [0, 1): which node of those that it may hit. */
  readonly place: number
  readonly ms: number
  /** For what else a fault has to decide. */
  readonly random: Random
}

const DAY_MS = 86_400_000

const on = (run: (node: Node, draw: Draw) => Promise<unknown>): Fault => ({
  at: 'node',
  run: (_world, node, draw) => run(node, draw),
})
const onApi = (run: (node: Node, draw: Draw) => Promise<unknown>): Fault => ({ ...on(run), at: 'api' })
const shared = (
  run: (world: World, draw: Draw) => Promise<unknown>,
  possible?: (world: World) => boolean,
): Fault => ({
  at: 'shared',
  run: (world, _node, draw) => run(world, draw),
  ...(possible && { possible }),
})
const hasEventStore = ({ eventStore }: World) => eventStore !== undefined
const onEventStoreNetwork = (run: (network: Network, draw: Draw) => Promise<unknown>): Fault => ({
  at: 'node',
  possible: hasEventStore,
  run: (_world, { log }, draw) => run(log!, draw),
})

const anotherBuild = (build: Build) =>
  on(async (node, { ms }) => {
    await node.kill()
    await node.start(build)
    await untilReady(node.url, 20_000)
    await delay(ms)
    await node.kill()
    await node.start()
  })

export const faults = {
  'node killed': on(async (node, { ms }) => {
    await node.kill()
    await delay(ms / 4)
    await node.start()
  }),
  'node stopped': on(async (node, { ms }) => {
    node.signal('SIGSTOP')
    await delay(ms * 2)
    node.signal('SIGCONT')
  }),
  'node ended': on(async (node) => {
    await node.end()
    await node.start()
  }),
  'node ended in a hurry': on(async (node) => {
    node.signal('SIGTERM')
    await node.kill()
    await node.start()
  }),
  'older build beside': anotherBuild('older'),
  'coming build beside': anotherBuild('coming'),
  'clock jump': on(async (node, { ms, random }) => {
    await node.shiftClock(random.pick([-3, 3]) * DAY_MS)
    await delay(ms)
    await node.shiftClock(0)
  }),
  'postgres killed': shared(({ postgres }) => postgres.kill()),
  'postgres stopped in bursts': shared(async ({ postgres }, { ms, random }) => {
    for (let burst = 0; burst < 3; burst++) {
      await postgres.freeze((ms / 2) * (0.5 + random.next()))
      await delay(random.between(20, 200))
    }
  }),
  'slow disk': shared(async ({ postgres }, { ms }) => {
    await postgres.holdFlushesBack(100_000)
    await delay(ms)
    await postgres.holdFlushesBack(0)
  }),
  'disk full': shared(
    async ({ disk, postgres }, { ms, random }) => {
      await disk!.fill()
      // With the next segment of its log PostgreSQL does not only refuse to write: it ends, and cannot start.
      if (random.chance(0.5)) await postgres.tryOnce('select pg_switch_wal()')
      await delay(ms)
      await disk!.free()
    },
    ({ disk }) => disk !== undefined,
  ),
  'connections exhausted': shared((world, { ms }) => exhaust(world, ms)),
  'poisoned event': shared((world, { random }) => poisonLog(world, random)),
  'redis gone': shared(
    async ({ redis }, { ms }) => {
      await redis!.kill()
      await delay(ms)
      await redis!.start()
    },
    ({ redis }) => redis?.own === true,
  ),
  'database network cut': on(({ back }, { ms }) => during(back.cut, back.heal, ms)),
  'database network slow': on(({ back }, { ms, random }) =>
    during(() => back.slow(random.between(20, 400)), back.heal, ms),
  ),
  'database network reset mid-answer': on(({ back }, { ms }) =>
    during(back.resetMidAnswer, back.heal, ms / 4),
  ),
  'database network half-open': on(({ back }, { ms }) => during(back.stall, back.heal, ms * 2)),
  'database connections lost': on(async ({ back }) => back.lose()),
  'client network cut': onApi(({ front }, { ms }) => during(front.cut, front.heal, ms / 2)),
  'client network slow': onApi(({ front }, { ms, random }) =>
    during(() => front.slow(random.between(20, 400)), front.heal, ms),
  ),
  'client network reset mid-answer': onApi(({ front }, { ms }) =>
    during(front.resetMidAnswer, front.heal, ms / 4),
  ),
  'client connections lost': onApi(async ({ front }) => front.lose()),
  'event store killed': shared(async ({ eventStore }, { ms }) => {
    await eventStore!.kill()
    await delay(ms / 2)
    await eventStore!.start()
  }, hasEventStore),
  'event store network cut': onEventStoreNetwork((network, { ms }) => during(network.cut, network.heal, ms)),
  'event store network half-open': onEventStoreNetwork((network, { ms }) =>
    during(network.stall, network.heal, ms * 2),
  ),
  'event store connections lost': onEventStoreNetwork(async (network) => network.lose()),
  'event store answers lost': shared(async ({ eventStore }, { ms, random }) => {
    const kind = random.pick(['loseAnswer', 'withholdAnswer', 'answerTwice', 'forgetIds'] as const)
    await eventStore!.command({ command: 'inject', operation: 'append', fault: { kind }, times: 5 })
    await delay(ms)
    await eventStore!.command({ command: 'clear' })
  }, hasEventStore),
  'event store subscriptions ended': shared(async ({ eventStore }, { random }) => {
    const how = random.pick(['end', 'tooSlow', 'down', 'silent', 'drop'] as const)
    await eventStore!.command({ command: 'cutSubscriptions', how })
  }, hasEventStore),
} satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
export const faultNames = Object.keys(faults) as FaultName[]

async function during(begin: () => void, end: () => void, ms: number): Promise<void> {
  begin()
  await delay(ms)
  end()
}

/** Takes every connection that PostgreSQL has left, and those that others let go, for a while. */
async function exhaust({ postgres: { connectionString } }: World, ms: number): Promise<void> {
  const taken: pg.Client[] = []
  const until = performance.now() + ms
  while (performance.now() < until) {
    const clients = Array.from(
      { length: 20 },
      () => new pg.Client({ connectionString, connectionTimeoutMillis: 2000 }),
    )
    for (const client of clients) client.on('error', () => {})
    const opened = await Promise.allSettled(clients.map((client) => client.connect()))
    taken.push(...clients.filter((_, index) => opened[index]!.status === 'fulfilled'))
    if (opened.some(({ status }) => status === 'rejected')) await delay(100)
  }
  await Promise.all(taken.map((client) => client.end().catch(() => {})))
}

/** What breaks next, and where, and how long: from the seed alone. */
export function* plan(
  decide: Random,
  names: readonly FaultName[],
): Generator<{ name: FaultName; draw: Draw }> {
  // In turns shuffled anew, so that each kind comes as often as any other.
  for (;;) {
    const turn = [...names]
    while (turn.length > 0) {
      const [name] = turn.splice(decide.between(0, turn.length - 1), 1)
      const [place, ms] = [decide.next(), decide.between(300, 2500)]
      // A chance of its own: a fault that this world cannot have changes nothing for the others.
      yield { name: name!, draw: { place, ms, random: chance(decide.between(1, 2 ** 31)) } }
    }
  }
}
