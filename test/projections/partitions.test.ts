import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generationOf, generations, least } from '../../src/projections/checkpoint.ts'
import { connect } from '../../src/projections/connections.ts'
import { familiesOf } from '../../src/projections/family.ts'
import { Superseded, takeLeases } from '../../src/projections/lease.ts'
import { project } from '../../src/projections/project.ts'
import { readModels } from '../../src/projections/readModels.ts'
import { createReadSchema } from '../../src/projections/readSchema.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import type { ReadModelStatus } from '../../src/projections/status.ts'
import { liveOf } from '../../src/projections/swap.ts'
import { record } from '../support/log.ts'
import { type Happening, histories } from './support/histories.ts'
import { projectPartitions, runnerOnNetwork, sessionsFamily, shares } from './support/partitions.ts'
import { contents, type FreshLog, freshLog, projectAll, runnerOn, tell } from './support/readModels.ts'

/** What happened to some dozens of sessions, at least a few in each partition. */
const told = (length: number, seed: number): Happening[] =>
  fc
    .sample(histories(length), { numRuns: 12, seed })
    .flatMap((some, n) => some.map((one) => ({ ...one, session: `${seed}-${n}-${one.session}` })))

/** First the first of every session, then the second of every one, and so on. */
function inTurn(happenings: readonly Happening[]): Happening[] {
  const places = new Map<string, number>()
  const placed = happenings.map((one) => {
    const place = (places.get(`${one.tenant} ${one.session}`) ?? 0) + 1
    places.set(`${one.tenant} ${one.session}`, place)
    return { one, place }
  })
  return placed.sort((a, b) => a.place - b.place).map(({ one }) => one)
}

/** The read models of a log, replayed from nothing by one node. */
async function replayed(log: FreshLog) {
  await log.pool.query('drop schema read cascade')
  await projectAll(log)
  return contents(log.connectionString)
}

async function untilShared(log: FreshLog, expected: readonly number[], timeout = 30_000) {
  await expect.poll(() => shares(log), { timeout, interval: 50 }).toEqual(expected)
}

describe('several nodes', () => {
  test('share the partitions, and what they write together is what one would', async () => {
    const log = await freshLog()
    const nodes = [runnerOn(log), runnerOn(log)]
    for (const node of nodes) await node.start()
    await untilShared(log, [5, 5])
    await tell(log.store, told(40, 1))
    const head = await log.store.head()
    for (const node of nodes)
      for (const { name, parent } of readModels)
        if (!parent) expect(await node.waitFor(name, head, 30_000)).toEqual({ ok: true })
    expect(nodes.map((node) => [node.active, node.projectsAll('sessions')])).toEqual([
      [true, false],
      [true, false],
    ])
    const { rows } = await log.pool.query(
      'select distinct slot from read.flow_statistics_v2_g1 order by slot',
    )
    expect(rows).toEqual([{ slot: 0 }, { slot: 1 }])
    for (const node of nodes) await node.stop()
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })

  test('take over what one held that was killed, within seconds', async () => {
    const log = await freshLog()
    const { runner: dying, network } = await runnerOnNetwork(log)
    const other = runnerOn(log)
    await dying.start()
    await other.start()
    await untilShared(log, [5, 5])
    await tell(log.store, told(20, 1))
    network.cut()
    await network.close()
    const since = performance.now()
    await tell(log.store, told(20, 2))
    expect(await other.waitFor('sessions', await log.store.head(), 30_000)).toEqual({ ok: true })
    // Four as a rule: its leases run out after three, and the others look twice a second.
    expect(performance.now() - since).toBeLessThan(10_000)
    expect(other.projectsAll('sessions')).toBe(true)
    await other.stop()
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })

  test('wait for one that hangs until its leases run out; it then writes nothing more, and shares again', async () => {
    const log = await freshLog()
    const { runner: hanging, network } = await runnerOnNetwork(log, { tuning: { pageSize: 5, linger: 0 } })
    const other = runnerOn(log)
    await hanging.start()
    await other.start()
    await untilShared(log, [5, 5])
    const telling = tell(log.store, told(30, 1))
    await delay(50)
    network.stall()
    await telling
    const head = await log.store.head()
    expect(await other.waitFor('sessions', head, 300)).toMatchObject({ ok: false })
    const [{ position }] = (await other.status()) as [ReadModelStatus, ...ReadModelStatus[]]
    const live = liveOf(await generations(log.pool), sessionsFamily)!
    expect(position).toBe(least(live.partitions.map((one) => one.position)))
    expect(Number(position)).toBeLessThan(Number(head))
    expect(await other.waitFor('sessions', head, 30_000)).toEqual({ ok: true })
    network.heal()
    await tell(log.store, told(10, 2))
    await untilShared(log, [5, 5])
    await tell(log.store, told(10, 3))
    for (const node of [hanging, other])
      expect(await node.waitFor('sessions', await log.store.head(), 30_000)).toEqual({ ok: true })
    for (const node of [hanging, other]) await node.stop()
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })

  test('give a third its share, while everything goes on', async () => {
    const log = await freshLog()
    const nodes = [1, 2, 3].map(() => runnerOn(log, { tuning: { pageSize: 7, linger: 0 } }))
    let shared = false
    const telling = (async () => {
      for (let seed = 1; !shared; seed++) await tell(log.store, told(5, seed))
    })()
    await nodes[0]!.start()
    await untilShared(log, [10])
    await nodes[1]!.start()
    await untilShared(log, [5, 5])
    await nodes[2]!.start()
    await untilShared(log, [3, 3, 4])
    await nodes[0]!.stop()
    await untilShared(log, [5, 5])
    shared = true
    await telling
    const head = await log.store.head()
    for (const node of nodes.slice(1))
      expect(await node.waitFor('sessions', head, 30_000)).toEqual({ ok: true })
    for (const node of nodes) await node.stop()
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })

  test('forget one that has been gone for a minute', async () => {
    const log = await freshLog()
    await projectAll(log)
    await log.pool.query(
      `update read.leases set expires_at = now() - interval '61 seconds' where name like 'node %'`,
    )
    await runnerOn(log).start()
    const nodes = () =>
      log.pool.query(`select from read.leases where name like 'node %' and expires_at < now()`)
    await expect.poll(async () => (await nodes()).rowCount).toBe(0)
  })
})

describe('a partition', () => {
  test('that somebody else has taken over holds back the whole transaction of who had it', async () => {
    const log = await freshLog()
    await tell(log.store, told(10, 1))
    const { writer, reader, control, close } = await connect(log.connectionString, 'first')
    try {
      await createReadSchema(control, familiesOf(readModels))
      const leases = await takeLeases(control, ['some 0', 'some 1'], randomUUID())
      const live = liveOf(await generations(control), sessionsFamily)!
      const until = await log.store.head()
      const signal = new AbortController().signal
      const projecting = (held: typeof leases, partitions: number[]) =>
        project({ store: log.store, writer, reader, leases: held, signal, until }, [
          {
            family: sessionsFamily,
            generation: generationOf(
              live,
              live.partitions.filter(({ partition }) => partitions.includes(partition)),
            ),
          },
        ])
      const positions = async () =>
        liveOf(await generations(control), sessionsFamily)!.partitions.map(({ position }) => position)

      await control.query(`update read.leases set expires_at = '-infinity' where name = 'some 1'`)
      const [taken] = await takeLeases(control, ['some 0', 'some 1'], randomUUID())
      expect(taken!.name).toBe('some 1')
      // By the lease.
      await expect(projecting(leases, [0, 1])).rejects.toThrow(Superseded)
      expect(await positions()).toEqual(['0', '0', '0', '0'])
      // By the checkpoint, where leases say nothing.
      await projecting([taken!], [1])
      await expect(projecting([leases.find(({ name }) => name === 'some 0')!], [0, 1])).rejects.toThrow(
        Superseded,
      )
      expect(await positions()).toEqual(['0', until, '0', '0'])
      await projecting([leases.find(({ name }) => name === 'some 0')!], [0])
      expect(await positions()).toEqual([until, until, '0', '0'])
    } finally {
      await close()
    }
    await projectAll(log)
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })

  test('may change hands as often as it likes: sums are those of one that was never handed over', async () => {
    const log = await freshLog()
    const divisions = [
      [[0, 1, 2, 3]],
      [
        [2, 3],
        [0, 1],
      ],
      [[3], [1, 2], [0]],
      [
        [0, 3],
        [1, 2],
      ],
      [[0, 1, 2, 3]],
    ]
    const all = told(30, 1)
    const begun = {
      type: 'SessionStarted',
      data: { flowId: 'timed', flowVersion: 1, userId: null, context: {} },
    }
    for (const [round, hands] of divisions.entries()) {
      const from = (round / divisions.length) * all.length
      const to = ((round + 1) / divisions.length) * all.length
      for (const { tenant, session, event, occurredAt } of inTurn(all).slice(from, to))
        await record(log.store, tenant, session, [event], occurredAt)
      // Of partition 3: its time goes into slot 0 and comes out of slot 2.
      if (round === 0) await record(log.store, 'acme', 's1', [begun, { type: 'SessionCompleted', data: {} }])
      if (round === 1) await record(log.store, 'acme', 's1', [{ type: 'SessionPaused', data: {} }])
      for (const hand of hands) await projectPartitions(log, hand)
    }
    const { rows: slots } = await log.pool.query(
      'select distinct slot from read.step_statistics_v1_g1 order by slot',
    )
    expect(slots.map(({ slot }) => slot)).toEqual([0, 1, 2, 3])
    const { rows: below } = await log.pool.query('select from read.flow_statistics_v2_g1 where active < 0')
    expect(below.length).toBeGreaterThan(0)
    // What is 0 over all slots is no row.
    const timed = (from: string) =>
      log.pool.query(`select sessions::int from ${from} where flow_id = 'timed'`)
    expect((await timed('read.flow_times_v2_g1')).rows).toHaveLength(2)
    expect((await timed('read.flow_times')).rows).toEqual([])
    await projectAll(log)
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })
})

describe('a rebuild', () => {
  const rebuildOf = ({ store, connectionString }: FreshLog) =>
    rebuild({
      store,
      connectionString,
      family: sessionsFamily,
      signal: new AbortController().signal,
      tuning: { pageSize: 50, bulkRows: 50 },
    })

  test('compares partitions that stand at different positions, each at its own', async () => {
    const log = await freshLog()
    await tell(log.store, told(10, 1))
    await projectPartitions(log, [0, 1, 2, 3])
    await tell(log.store, told(10, 2))
    await projectPartitions(log, [1, 3])
    await tell(log.store, told(10, 3))
    await projectPartitions(log, [3])
    const positions = async () =>
      liveOf(await generations(log.pool), sessionsFamily)!.partitions.map(({ position }) => position)
    const before = [await positions(), await contents(log.connectionString)]
    expect(new Set(before[0] as string[]).size).toBe(3)
    const { comparison } = await rebuildOf(log)
    expect(comparison?.equal).toBe(true)
    expect([await positions(), await contents(log.connectionString)]).toEqual(before)
    await projectAll(log)
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })

  test('takes the place of what two nodes project, who go on with it', async () => {
    const log = await freshLog()
    await tell(log.store, told(20, 1))
    const nodes = [runnerOn(log), runnerOn(log, { tuning: { linger: 50 } })]
    for (const node of nodes) await node.start()
    await untilShared(log, [5, 5])
    let done = false
    const telling = (async () => {
      for (let seed = 2; !done; seed++) await tell(log.store, told(3, seed))
    })()
    const reports = [await rebuildOf(log), await rebuildOf(log)]
    done = true
    await telling
    expect(reports.map(({ comparison }) => comparison?.equal)).toEqual([true, true])
    const head = await log.store.head()
    for (const node of nodes) expect(await node.waitFor('sessions', head, 30_000)).toEqual({ ok: true })
    for (const node of nodes) await node.stop()
    const found = await contents(log.connectionString)
    expect(found).toEqual(await replayed(log))
  })
})
