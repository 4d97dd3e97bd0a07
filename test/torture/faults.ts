import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { poisonLog } from './poison.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** A way to break the world; when it answers, everything is whole again but for what the service has to mend itself. */
export type Fault = (world: World, draw: Draw) => Promise<void>

/** What chance decided about a fault: its place and its length. */
export interface Draw {
  /** Which node, 0 or 1. */
  readonly node: number
  readonly ms: number
  /** For what else a fault has to decide. */
  readonly random: Random
}

const DAY_MS = 86_400_000

const onNode =
  (fault: (node: World['nodes'][number], draw: Draw, world: World) => Promise<unknown>): Fault =>
  async (world, draw) => {
    await fault(world.nodes[draw.node]!, draw, world)
  }

export const faults = {
  'node killed': onNode(async (node, { ms }) => {
    await node.kill()
    await delay(ms / 4)
    await node.start()
  }),
  'node stopped': onNode(async (node, { ms }) => {
    node.signal('SIGSTOP')
    await delay(ms * 2)
    node.signal('SIGCONT')
  }),
  'node restarted': onNode(async (node) => {
    node.signal('SIGTERM')
    await node.kill()
    await node.start()
  }),
  'postgres killed': async (world) => {
    await world.killPostgres()
  },
  'database network cut': onNode(({ back }, { ms }) => during(back.cut, back.heal, ms)),
  'database network slow': onNode(({ back }, { ms, random }) =>
    during(() => back.slow(random.between(20, 400)), back.heal, ms),
  ),
  'database network reset mid-answer': onNode(({ back }, { ms }) =>
    during(back.resetMidAnswer, back.heal, ms / 4),
  ),
  'database network half-open': onNode(({ back }, { ms }) => during(back.stall, back.heal, ms * 2)),
  'database connections lost': onNode(async ({ back }) => back.lose()),
  'client network cut': onNode(({ front }, { ms }) => during(front.cut, front.heal, ms / 2)),
  'client network slow': onNode(({ front }, { ms, random }) =>
    during(() => front.slow(random.between(20, 400)), front.heal, ms),
  ),
  'client network reset mid-answer': onNode(({ front }, { ms }) =>
    during(front.resetMidAnswer, front.heal, ms / 4),
  ),
  'client connections lost': onNode(async ({ front }) => front.lose()),
  'clock jump': onNode(async (node, { ms, random }) => {
    await node.shiftClock(random.pick([-3, 3]) * DAY_MS)
    await delay(ms)
    await node.shiftClock(0)
  }),
  'connections exhausted': async (world, { ms }) => exhaust(world, ms),
  'poisoned event': async (world, { random }) => poisonLog(world, random),
  'redis gone': async ({ redis }, { ms }) => {
    if (!redis?.own) return
    await redis.kill()
    await delay(ms)
    await redis.start()
  },
} satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
export const faultNames = Object.keys(faults) as FaultName[]

async function during(begin: () => void, end: () => void, ms: number): Promise<void> {
  begin()
  await delay(ms)
  end()
}

/** Takes every connection that PostgreSQL has left, and those that others let go, for a while. */
async function exhaust({ connectionString }: World, ms: number): Promise<void> {
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
  random: Random,
  names: readonly FaultName[],
): Generator<{ name: FaultName; draw: Draw }> {
  // In turns shuffled anew, so that each kind comes as often as any other.
  for (;;) {
    const turn = [...names]
    while (turn.length > 0) {
      const [name] = turn.splice(random.between(0, turn.length - 1), 1)
      yield { name: name!, draw: { node: random.between(0, 1), ms: random.between(300, 2500), random } }
    }
  }
}
