import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions } from '../../src/domain/position.ts'
import { familiesOf } from '../../src/projections/family.ts'
import { readModels } from '../../src/projections/readModels.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { sameAnswer, send } from './client.ts'
import type { Answer, History, Told } from './history.ts'
import { untilReady } from './node.ts'
import type { Seen } from './watchers.ts'
import type { World } from './world.ts'

const RECOVERY_MS = 30_000

/** Invariant 8: every node ready and every read model at the log's end, without a hand touching it. */
export async function recovered(world: World, history: History, after: string): Promise<void> {
  const { nodes, log, postgres } = world
  const began = performance.now()
  const unready = await Promise.all(nodes.map(({ url }) => untilReady(url, RECOVERY_MS)))
  for (const [index, said] of unready.entries())
    if (said) history.violated(8, `${nodes[index]!.name} not ready 30 s after ${after}`, said)
  await nothingAhead(world, history)
  const target = log.position
  for (;;) {
    const behind = await postgres.sql<{ family: string; position: string }>(
      `select family, position::text from read.checkpoints where status = 'live' and position < $1`,
      [target],
    )
    if (behind.length === 0) break
    if (performance.now() - began > RECOVERY_MS) {
      history.violated(8, `read models behind 30 s after ${after}`, { target, behind })
      break
    }
    await delay(100)
  }
  const seconds = (performance.now() - began) / 1000
  history.counts['slowest recovery, s'] = Math.max(history.counts['slowest recovery, s'] ?? 0, seconds)
}

/** The half of invariant 4 that can be asked at any time. */
async function nothingAhead({ log, postgres }: World, history: History): Promise<void> {
  const checkpoints = await postgres.sql<{ family: string; position: string }>(
    'select family, position::text from read.checkpoints',
  )
  // Read after the checkpoints: whatever they had seen is in it.
  await log.readOn()
  const ahead = checkpoints.filter(({ position }) => comparePositions(position, log.position) > 0)
  if (ahead.length > 0) history.violated(4, 'a checkpoint is ahead of the log', { ahead, log: log.position })
}

/** Invariant 3: what was in the log once is there still, in its place. */
export async function logUnchanged({ log }: World, history: History): Promise<void> {
  const known = [...log.events]
  const now = await log.readAgain()
  const at = known.findIndex((event, index) => now[index]?.id !== event.id)
  if (at >= 0) history.violated(3, 'an event is no longer where it was', { was: known[at], is: now[at] })
}

/** Invariants 1 and 2: what was acknowledged is in the log exactly once, at the revision that was told. */
export async function acknowledgedOnce({ log }: World, history: History): Promise<void> {
  // As told before the log is looked at: what is acknowledged meanwhile may not be in what was read.
  const asked = history.commands.map((told) => [told, told.answer] as const)
  await log.readOn()
  const byCommand = Map.groupBy(
    log.events.filter(({ stream }) => stream.startsWith('session-')),
    ({ tenant, commandId }) => `${tenant} ${commandId}`,
  )
  for (const [told, answer] of asked) {
    const { tenant, key, records } = told
    const found = byCommand.get(`${tenant} ${key}`) ?? []
    const [first] = found
    const last = found.at(-1)
    if (found.some(({ stream }) => stream !== first!.stream))
      history.violated(1, `${key} was recorded in several streams`, { told, found })
    else if (first && last!.revision - first.revision + 1 !== found.length)
      history.violated(1, `the events of ${key} are not together`, { told, found })
    if (!answer || answer.position === null) {
      if (answer && first)
        history.violated(2, `${key} was refused with ${answer.status} and is recorded`, { told, found })
      continue
    }
    if (answer.status < 300 && records && !first)
      history.violated(1, `${key} was acknowledged and is not in the log`, told)
    if (last && (answer.revision !== `"${last.revision}"` || answer.position !== last.position))
      history.violated(1, `${key} was told ${answer.revision} at ${answer.position}`, { told, last })
  }
}

/** Invariants 1 and 2 again, from the outside: the same question has the same answer, on either node. */
export async function answersStand(world: World, history: History, commands: readonly Told[]): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < commands.length) {
      const told = commands[next++]!
      const node = world.api[next % world.api.length]!
      const again = await patiently(() => send(node.url, told))
      if (typeof again === 'string' || again.status >= 500) {
        history.violated(2, 'a repeat was not answered by a world that is whole', { told, again })
        continue
      }
      history.count('asked again')
      if (!told.answer) {
        told.answer = again
        history.count('unknown outcomes resolved')
      } else if (told.answer.position !== null && !sameAnswer(told.answer, again))
        history.violated(1, 'an answer was another when asked again', { told, again })
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

/** A repeat waits for a first attempt that may still be under way, for longer than a client does. */
async function patiently(ask: () => Promise<Answer>): Promise<Answer | string> {
  for (const deadline = performance.now() + RECOVERY_MS; ; await delay(500)) {
    const answer = await ask().catch((error: Error) => String(error.cause ?? error))
    if (performance.now() > deadline || (typeof answer !== 'string' && answer.status < 500)) return answer
  }
}

/** Invariant 4: the read models are what a replay from nothing gives. Works while the nodes go on. */
export async function readModelsReplay(world: World, history: History): Promise<void> {
  const { connectionString } = world.postgres
  const store = await world.openStore()
  try {
    for (const family of familiesOf(readModels)) {
      const signal = AbortSignal.timeout(60_000)
      const { comparison } = await rebuild({ store, connectionString, family, signal })
      history.count('read models replayed')
      if (comparison && !comparison.equal)
        history.violated(4, `${family.name} is not what a replay gives`, comparison.models)
    }
  } catch (error) {
    history.violated(4, `a replay failed: ${(error as Error).message}`)
  } finally {
    await store.close()
  }
}

/** Invariant 5: what a socket saw is what the stream holds. */
export async function socketsSawAll(
  { log }: World,
  history: History,
  sockets: readonly Seen[],
): Promise<void> {
  await log.readOn()
  for (const { stream, last, events } of sockets) {
    const head = log.events.findLast((event) => event.stream === stream)
    if (head?.revision !== last) history.violated(5, `a socket saw ${stream} to ${last} of ${head?.revision}`)
    history.count('socket events', events.length)
  }
}

/** Invariant 3, as a reader of the log sees it: nothing came behind what was seen before. */
export async function logSeenInOrder(
  { log }: World,
  history: History,
  tenant: string,
  seen: readonly string[],
): Promise<void> {
  await log.readOn()
  const is = log.events.filter((event) => event.tenant === tenant).map(({ id }) => id)
  const at = seen.findIndex((id, index) => id !== is[index])
  if (at >= 0)
    history.violated(3, `a reader of ${tenant} saw another order`, {
      at,
      seen: seen.slice(at, at + 3),
      is: is.slice(at, at + 3),
    })
  history.count('events read as they came', seen.length)
}

/** Invariant 7: the chain verifies, and each imported row is there once. */
export async function provable(
  { api, log }: World,
  history: History,
  imports: readonly { tenant: string; token: string; auditor: string; flowId: string; body: string }[],
): Promise<void> {
  for (const { tenant, token, auditor, flowId, body } of imports) {
    const { url } = api[0]!
    const again = await send(url, { method: 'POST', path: `/imports?flowId=${flowId}`, body, token })
    const rows = body.trim().split('\n').length
    const settled = await send(url, { method: 'POST', path: `/imports?flowId=${flowId}`, body, token })
    if (again.status !== 200 || settled.status !== 200 || settled.body.events !== 0)
      history.violated(7, `an import of ${tenant} repeated added events`, settled.text)
    await log.readOn()
    const held = log.events.filter((event) => event.tenant === tenant && event.row !== undefined)
    const different = new Set(held.map(({ row }) => row)).size
    if (held.length !== rows || different !== rows)
      history.violated(
        7,
        `an import of ${rows} rows of ${tenant} holds ${held.length}, ${different} different`,
      )
    const verified = await send(url, {
      method: 'GET',
      path: '/audit/verify',
      body: undefined,
      token: auditor,
    })
    if (verified.status !== 200 || verified.body.ok !== true)
      history.violated(7, `the chain of ${tenant} does not verify`, verified.text)
    history.count('events verified', verified.body?.events ?? 0)
  }
}
