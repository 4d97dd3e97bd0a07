import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { familiesOf } from '../../src/projections/family.ts'
import { readModels } from '../../src/projections/readModels.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { sameAnswer, send } from './client.ts'
import type { History, Told } from './history.ts'
import { untilReady } from './node.ts'
import type { Seen } from './watchers.ts'
import type { World } from './world.ts'

const RECOVERY_MS = 30_000

/** Invariant 8: every node ready and every read model at the log's end, without a hand touching it. */
export async function recovered(world: World, history: History, after: string): Promise<void> {
  const began = performance.now()
  const unready = await Promise.all(world.nodes.map(({ url }) => untilReady(url, RECOVERY_MS)))
  for (const [index, said] of unready.entries())
    if (said) history.violated(8, `node ${world.nodes[index]!.name} not ready 30 s after ${after}`, said)
  const [{ position: target }] = (await world.sql<{ position: string }>(
    'select position::text from log.counter',
  )) as [{ position: string }]
  for (;;) {
    const behind = await world.sql<{ family: string; position: string }>(
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

/** Invariant 3, and the half of 4 that can be asked at any time. */
export async function logOrdered(world: World, history: History): Promise<void> {
  const gaps = await world.sql(
    `select * from (select stream, revision, row_number() over (partition by stream order by revision) - 1 as expected
       from log.events) e where revision <> expected limit 3`,
  )
  if (gaps.length > 0) history.violated(3, 'the revisions of a stream have a gap', gaps)
  const [dense] = await world.sql<{ n: string; last: string; counter: string }>(
    `select count(*)::text as n, coalesce(max(position), 0)::text as last,
            (select position::text from log.counter) as counter from log.events`,
  )
  if (dense && (dense.n !== dense.last || dense.last !== dense.counter))
    history.violated(3, 'positions have a gap', dense)
  const unordered = await world.sql(
    `select * from (select stream, revision, position, lag(position) over (partition by stream order by revision) as before
       from log.events) e where position <= before limit 3`,
  )
  if (unordered.length > 0) history.violated(3, 'a later revision has a lower position', unordered)
  const ahead = await world.sql(
    `select c.* from read.checkpoints c, log.counter l where c.position > l.position`,
  )
  if (ahead.length > 0) history.violated(4, 'a checkpoint is ahead of the log', ahead)
}

interface Recorded {
  readonly stream: string
  readonly command: string
  readonly tenant: string
  readonly first: number
  readonly last: number
  readonly n: number
  readonly position: string
}

/** Invariants 1 and 2: what was acknowledged is in the log exactly once, at the revision that was told. */
export async function acknowledgedOnce(world: World, history: History): Promise<void> {
  // As told before the log is looked at: what is acknowledged meanwhile may not be in what was read.
  const asked = history.commands.map((told) => [told, told.answer] as const)
  const rows = await world.sql<Recorded>(
    `select s.name as stream, e.metadata::json->>'commandId' as command, e.metadata::json->>'tenant' as tenant,
            min(revision) as first, max(revision) as last, count(*)::int as n, max(position)::text as position
       from log.events e join log.streams s on s.id = e.stream where s.name like 'session-%' group by 1, 2, 3`,
  )
  const byCommand = Map.groupBy(rows, ({ tenant, command }) => `${tenant} ${command}`)
  for (const [told, answer] of asked) {
    const { tenant, key, records } = told
    const found = byCommand.get(`${tenant} ${key}`) ?? []
    if (found.length > 1)
      history.violated(1, `${key} was recorded in ${found.length} streams`, { told, found })
    const [one] = found
    if (one && one.last - one.first + 1 !== one.n)
      history.violated(1, `the events of ${key} are not together`, { told, one })
    if (!answer || answer.position === null) {
      if (answer && one)
        history.violated(2, `${key} was refused with ${answer.status} and is recorded`, { told, one })
      continue
    }
    if (answer.status < 300 && records && !one)
      history.violated(1, `${key} was acknowledged and is not in the log`, told)
    if (one && (answer.revision !== `"${one.last}"` || answer.position !== one.position))
      history.violated(1, `${key} was told ${answer.revision} at ${answer.position}`, { told, one })
  }
}

/** Invariants 1 and 2 again, from the outside: the same question has the same answer, on either node. */
export async function answersStand(world: World, history: History, commands: readonly Told[]): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < commands.length) {
      const told = commands[next++]!
      const node = world.nodes[next % world.nodes.length]!
      const again = await send(node.url, told).catch((error: Error) => String(error.cause ?? error))
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

/** Invariant 4: the read models are what a replay from nothing gives. Works while the nodes go on. */
export async function readModelsReplay(world: World, history: History): Promise<void> {
  const { connectionString } = world
  const store = await createPostgresEventStore({ connectionString, logger: pino({ level: 'silent' }) })
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
export async function socketsSawAll(world: World, history: History, sockets: readonly Seen[]): Promise<void> {
  for (const { stream, last, events } of sockets) {
    const [head] = await world.sql<{ revision: number }>(
      `select max(e.revision) as revision from log.events e join log.streams s on s.id = e.stream where s.name = $1`,
      [stream],
    )
    if (head?.revision !== last) history.violated(5, `a socket saw ${stream} to ${last} of ${head?.revision}`)
    history.count('socket events', events.length)
  }
}

/** Invariant 3, as a reader of the log sees it: nothing came behind what was seen before. */
export async function logSeenInOrder(
  world: World,
  history: History,
  tenant: string,
  seen: readonly string[],
): Promise<void> {
  const rows = await world.sql<{ id: string }>(
    `select id::text from log.events where metadata::json->>'tenant' = $1 order by position limit $2`,
    [tenant, seen.length],
  )
  const at = rows.findIndex(({ id }, index) => id !== seen[index])
  if (at >= 0 || rows.length < seen.length)
    history.violated(3, `a reader of ${tenant} saw another order`, {
      at,
      seen: seen.slice(at, at + 3),
      is: rows.slice(at, at + 3),
    })
  history.count('events read as they came', seen.length)
}

/** Invariant 7: the chain verifies, and each imported row is there once. */
export async function provable(
  world: World,
  history: History,
  imports: readonly { tenant: string; token: string; auditor: string; flowId: string; body: string }[],
): Promise<void> {
  for (const { tenant, token, auditor, flowId, body } of imports) {
    const url = world.nodes[0]!.url
    const again = await send(url, { method: 'POST', path: `/imports?flowId=${flowId}`, body, token })
    const rows = body.trim().split('\n').length
    const settled = await send(url, { method: 'POST', path: `/imports?flowId=${flowId}`, body, token })
    if (again.status !== 200 || settled.status !== 200 || settled.body.events !== 0)
      history.violated(7, `an import of ${tenant} repeated added events`, settled.text)
    const [held] = await world.sql<{ n: number; different: number }>(
      `select count(*)::int as n, count(distinct e.data::json->'data'->>'row')::int as different
         from log.events e join log.streams s on s.id = e.stream
        where s.name like 'session-' || $1 || '%' and e.type = 'StepCompleted' and e.data like '%"row":%'`,
      [tenant],
    )
    if (held?.n !== rows || held.different !== rows)
      history.violated(
        7,
        `an import of ${rows} rows of ${tenant} holds ${held?.n}, ${held?.different} different`,
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
