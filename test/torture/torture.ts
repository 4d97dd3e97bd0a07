import { type Fault, type FaultName, faults, plan } from './faults.ts'
import { History } from './history.ts'
import {
  acknowledgedOnce,
  answersStand,
  logSeenInOrder,
  logUnchanged,
  provable,
  readModelsReplay,
  recovered,
  socketsSawAll,
} from './invariants.ts'
import { nothingLeaks } from './leaks.ts'
import { startLoad } from './load.ts'
import { shedsOverload } from './overload.ts'
import { random } from './random.ts'
import { createWorld, type Engine, type Topology } from './world.ts'

export interface TortureOptions {
  readonly seed: number
  /** How long faults are made; starting and the last questions come beside it. */
  readonly seconds: number
  readonly faults: readonly FaultName[]
  /** Simulated people a tenant. */
  readonly people: number
  readonly topology: Topology
  readonly engine: Engine
  /** Name of the nodes' deliberate fault. */
  readonly breakage?: string | undefined
  /** Which of the last two invariants are asked at the end: reconnects (9) and overload (10). */
  readonly strain: readonly number[]
  readonly log: (line: string) => void
}

export interface TortureReport {
  readonly faults: Readonly<Record<string, number>>
  /** How often each process was hit. */
  readonly places: Readonly<Record<string, number>>
  readonly history: History
  /** Kept when something was violated: the nodes' logs. */
  readonly folder: string | undefined
}

/** Questions that cost seconds are asked after so many faults, and at the end. */
const ASK_ACKNOWLEDGED_EVERY = 5
const REPLAY_EVERY = 20

/** Runs the service, lets many use it, breaks it in every way, and asks after each whether what must hold does. */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const { seed, log, topology, engine, breakage } = options
  const history = new History()
  const world = await createWorld({ history, topology, engine, breakage })
  const ended = async () => {
    await world.stop(true)
    process.exit(143)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, ended)
  const counts: Record<string, number> = {}
  const places: Record<string, number> = {}
  try {
    log(`seed ${seed}: ${topology} on ${engine}, in ${world.folder}`)
    const load = await startLoad(
      world.api.map(({ url }) => url),
      history,
      options,
    )
    const until = performance.now() + options.seconds * 1000
    let number = 0
    for (const { name, draw } of plan(random(seed), options.faults)) {
      if (performance.now() > until) break
      const { at, possible, run } = faults[name] as Fault
      if (possible && !possible(world)) {
        if (options.faults.every((one) => (faults[one] as Fault).possible?.(world) === false)) break
        continue
      }
      const among = at === 'api' ? world.api : world.nodes
      const node = among[Math.floor(draw.place * among.length)]!
      const place = at === 'shared' ? 'all' : node.name
      log(`${String(++number).padStart(4)} ${name} (${place}, ${draw.ms} ms)`)
      counts[name] = (counts[name] ?? 0) + 1
      places[place] = (places[place] ?? 0) + 1
      await run(world, node, draw)
      await recovered(world, history, name)
      if (number % ASK_ACKNOWLEDGED_EVERY === 0) await acknowledgedOnce(world, history)
      if (number % REPLAY_EVERY === 0) await readModelsReplay(world, history)
    }
    log('     no more commands')
    await load.settle()
    await recovered(world, history, 'the end')
    log('     asking again')
    await answersStand(world, history, [
      ...history.commands.filter(({ answer }) => !answer),
      ...history.commands.filter(({ answer }) => answer && answer.position !== null).slice(-2000),
    ])
    await acknowledgedOnce(world, history)
    await provable(world, history, load.imports)
    await load.finish()
    await socketsSawAll(world, history, load.sockets)
    for (const { tenant, ids } of load.readers) await logSeenInOrder(world, history, tenant, ids)
    if (options.strain.length > 0) log('     reconnects and overload')
    if (options.strain.includes(9)) await nothingLeaks(world, history, log)
    if (options.strain.includes(10)) await shedsOverload(world, history, log)
    await recovered(world, history, 'the end')
    await readModelsReplay(world, history)
    await logUnchanged(world, history)
  } finally {
    await world.stop(history.violations.length > 0)
  }
  return {
    faults: counts,
    places,
    history,
    folder: history.violations.length > 0 ? world.folder : undefined,
  }
}
