import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { generations } from '../../src/projections/checkpoint.ts'
import { connect } from '../../src/projections/connections.ts'
import { familiesOf } from '../../src/projections/family.ts'
import { Superseded, takeLease } from '../../src/projections/lease.ts'
import { listParked } from '../../src/projections/parked.ts'
import { project } from '../../src/projections/project.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { readModels } from '../../src/projections/readModels.ts'
import { createReadSchema } from '../../src/projections/readSchema.ts'
import { sessions } from '../../src/projections/sessions.ts'
import { signals } from '../../src/projections/signals.ts'
import { steps } from '../../src/projections/steps.ts'
import { type Happening, histories } from './support/histories.ts'
import { contents, type FreshLog, freshLog, projectAll, runnerOn, tell } from './support/readModels.ts'

const sample = (length: number, seed = 1): Happening[] =>
  fc.sample(histories(length), { numRuns: 20, seed }).sort((a, b) => b.length - a.length)[0]!

/** The same log in a database of its own, projected without incident. */
async function withoutIncident(told: readonly Happening[]) {
  const log = await freshLog()
  await tell(log.store, told)
  await projectAll(log)
  return contents(log.connectionString)
}

describe('read models', () => {
  test('are the same whatever the batches, pages and caches were', async () => {
    const told = sample(80)
    const expected = await withoutIncident(told)
    for (const tuning of [
      { pageSize: 1, bulkRows: 1, cacheRows: 1 },
      { pageSize: 7, bulkRows: 5, cacheRows: 2, linger: 0 },
    ]) {
      const log = await freshLog()
      await tell(log.store, told)
      await projectAll(log, { tuning })
      expect(await contents(log.connectionString)).toEqual(expected)
    }
  })

  test('are the same when many rows go by COPY', async () => {
    const told: Happening[] = []
    for (let n = 0; n < 1200; n++)
      for (const type of n < 1050 ? ['SessionStarted', 'SessionCompleted'] : ['SessionStarted'])
        told.push({
          session: `s\\${n}\t"é\n`,
          tenant: 'acme',
          event: {
            type,
            data:
              type === 'SessionStarted'
                ? { flowId: 'welcome', flowVersion: 1, userId: null, context: {} }
                : {},
          },
          occurredAt: new Date(Date.UTC(2024, 0, 1) + n * 1000).toISOString(),
        })
    told.sort((a, b) => a.event.type.localeCompare(b.event.type) * -1)
    const log = await freshLog()
    await tell(log.store, told)
    await projectAll(log, { tuning: { pageSize: 1200, bulkRows: 1200 } })
    const found = await contents(log.connectionString)
    await log.pool.query('drop schema read cascade')
    await projectAll(log, { tuning: { pageSize: 100, bulkRows: 100 } })
    expect(await contents(log.connectionString)).toEqual(found)
    const { rows } = await log.pool.query(
      'select count(*)::int as n, count(completed_at)::int as done from read.sessions',
    )
    expect(rows).toEqual([{ n: 1200, done: 1050 }])
  })

  test('follow what is appended, and a wait ends when they have it', async () => {
    const log = await freshLog()
    const runner = runnerOn(log)
    await runner.start()
    await tell(log.store, sample(30))
    const head = await log.store.head()
    expect(await runner.waitFor('statistics', head, 5000).catch((error) => error.message)).toBe(
      'there is no read model statistics',
    )
    expect(await runner.waitFor('steps', head, 5000)).toEqual({ ok: true })
    expect(await contents(log.connectionString)).toEqual(await withoutIncident(sample(30)))
    expect(await runner.status()).toContainEqual({
      name: 'sessions',
      position: head,
      lagEvents: 0,
      lagSeconds: 0,
      parked: 0,
    })
  })

  test('tell how far they are behind when a wait runs out', async () => {
    const log = await freshLog()
    const runner = runnerOn(log)
    await runner.start()
    expect(await runner.waitFor('sessions', '7', 30)).toEqual({ ok: false, behind: '7', at: '0' })
  })
})

describe('a runner that dies', () => {
  const own: AnyProjection[] = [sessions, steps, signals]

  /** Projects with connections whose nth statement is the last that the database sees. */
  async function dieAt(log: FreshLog, nth: number, projections: readonly AnyProjection[]): Promise<boolean> {
    const connections = await connect(log.connectionString, 'dying')
    const { writer, reader, control } = connections
    let statements = 0
    const query = writer.query.bind(writer) as (...args: unknown[]) => unknown
    writer.query = ((...args: unknown[]) => {
      if (++statements !== nth) return query(...args)
      const killed = control.query('select pg_terminate_backend($1)', [
        (writer as unknown as { processID: number }).processID,
      ])
      return killed.then(() => query(...args))
    }) as never
    try {
      const lease = await takeLease(control, 'dying', '00000000-0000-4000-8000-000000000000')
      const live = await generations(control)
      await project(
        {
          store: log.store,
          writer,
          reader,
          leases: [lease!],
          signal: connections.lost,
          until: await log.store.head(),
          pageSize: 5,
          bulkRows: 1,
        },
        familiesOf(projections).map((family) => ({
          family,
          generation: live.find((one) => one.family === family.name)!,
        })),
      )
      return connections.lost.aborted
    } catch {
      return true
    } finally {
      await connections.close()
    }
  }

  /** Parked events, of which the second session has one, take a transaction of many statements. */
  const failing: AnyProjection[] = [
    sessions,
    {
      ...steps,
      evolve: (row, event, session) => {
        if (event.stream.endsWith('2')) throw new Error('cannot take this in')
        return steps.evolve(row, event, session)
      },
    },
    signals,
  ]

  test.each([
    ['one statement', own, 4],
    ['many statements', failing, 20],
  ])(
    'anywhere in transactions of %s neither loses nor doubles anything',
    async (_, projections, least) => {
      const told = sample(14, 7)
      const log = await freshLog()
      await tell(log.store, told)
      await projectAll(log, { projections })
      const expected = await contents(log.connectionString, projections)
      const parked = (await listParked(log.pool)).map(({ key, events }) => ({ key, events }))
      const { rows: tables } = await log.pool.query(
        `select string_agg(format('read.%I', tablename), ', ') as names from pg_tables
        where schemaname = 'read' and tablename ~ '_v[0-9]+_g1$'`,
      )
      let nth = 1
      await startOver()
      for (; await dieAt(log, nth, projections); nth++) {
        expect(await dieAt(log, Number.POSITIVE_INFINITY, projections)).toBe(false)
        expect(await contents(log.connectionString, projections)).toEqual(expected)
        expect(await listParked(log.pool)).toMatchObject(parked)
        await startOver()
      }
      expect(nth).toBeGreaterThan(least)

      /** Everything derived is thrown away, and the next one dies one statement later. */
      async function startOver() {
        await log.pool.query(
          `truncate ${tables[0].names}; update read.checkpoints set position = 0; delete from read.parked`,
        )
      }
    },
    60_000,
  )

  test('is followed by another once its lease has run out, which goes on where it stopped', async () => {
    const log = await freshLog()
    const first = runnerOn(log)
    await first.start()
    await tell(log.store, sample(20))
    await first.waitFor('sessions', await log.store.head(), 30_000)
    const second = runnerOn(log)
    await second.start()
    await expect.poll(() => second.active, { timeout: 30_000 }).toBe(true)
    // The first one’s process hangs: its connections are there, but nothing renews its leases.
    await log.pool.query(
      `update read.leases set holder = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '3 seconds'`,
    )
    await first.stop()
    expect(second.projectsAll('sessions')).toBe(false)
    await expect.poll(() => second.projectsAll('sessions'), { timeout: 30_000 }).toBe(true)
    await tell(
      log.store,
      sample(20, 3).map((one) => ({ ...one, session: `x${one.session}` })),
    )
    expect(await second.waitFor('sessions', await log.store.head(), 30_000)).toEqual({ ok: true })
  })

  test('goes on by itself when its connections are cut', async () => {
    const log = await freshLog()
    const runner = runnerOn(log)
    await runner.start()
    await tell(log.store, sample(20))
    await runner.waitFor('sessions', await log.store.head(), 30_000)
    await log.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gangway: project' and datname = current_database()`,
    )
    await tell(
      log.store,
      sample(20, 3).map((one) => ({ ...one, session: `x${one.session}` })),
    )
    expect(await runner.waitFor('sessions', await log.store.head(), 30_000)).toEqual({ ok: true })
  })
})

describe('two runners on one database', () => {
  test('never both write: what the second holds is out of date and rolled back', async () => {
    const told = sample(60, 5)
    const expected = await withoutIncident(told)
    const log = await freshLog()
    const runners = [1, 2, 3].map(() => runnerOn(log, { tuning: { pageSize: 3, linger: 0 } }))
    for (const runner of runners) await runner.start()
    const telling = tell(log.store, told)
    // The lease changes hands all the time, in the middle of whatever goes on.
    const stealing = (async () => {
      for (let n = 0; n < 15; n++) {
        await delay(30)
        await log.pool.query(`update read.leases set expires_at = '-infinity', epoch = epoch + 1`)
      }
    })()
    await Promise.all([telling, stealing])
    const head = await log.store.head()
    for (const runner of runners) expect(await runner.waitFor('sessions', head, 30_000)).toEqual({ ok: true })
    expect(await contents(log.connectionString)).toEqual(expected)
  })

  test('are told apart by the checkpoint alone, should both think that they hold the lease', async () => {
    const told = sample(60, 5)
    const log = await freshLog()
    await tell(log.store, told)
    const expected = await withoutIncident(told)
    const both = [
      await connect(log.connectionString, 'one'),
      await connect(log.connectionString, 'two'),
    ] as const
    onTestFinished(async () => {
      await Promise.all(both.map((one) => one.close()))
    })
    const families = familiesOf(readModels)
    await createReadSchema(both[0].control, families)
    const lease = (await takeLease(both[0].control, 'both', randomUUID()))!
    const live = await generations(both[0].control)
    const targets = families.map((family) => ({
      family,
      generation: live.find((one) => one.family === family.name)!,
    }))
    const until = await log.store.head()
    const signal = new AbortController().signal
    const results = await Promise.allSettled(
      both.map(({ writer, reader }) =>
        project(
          { store: log.store, writer, reader, leases: [lease], signal, until, pageSize: 4, bulkRows: 1 },
          targets,
        ),
      ),
    )
    const failed = results.filter((result) => result.status === 'rejected')
    expect(failed).toHaveLength(1)
    expect(failed[0]!.reason).toBeInstanceOf(Superseded)
    expect(await contents(log.connectionString)).toEqual(expected)
  })

  test('hand over when one stops, before its lease has run out', async () => {
    const log = await freshLog()
    const first = runnerOn(log)
    await first.start()
    while (!first.active) await delay(10)
    // The one on everything is for builds that know nothing of partitions, who are never to have it.
    const { rows: held } = await log.pool.query(
      `select name, epoch from read.leases where name <> 'projector'`,
    )
    const second = runnerOn(log)
    await second.start()
    await first.stop()
    const { rows: kept } = await log.pool.query(
      'select name, epoch from read.leases where expires_at > clock_timestamp()',
    )
    for (const lease of held) expect(kept).not.toContainEqual(lease)
    await expect.poll(() => second.projectsAll('sessions'), { timeout: 30_000 }).toBe(true)
  })

  test('let a node that only answers queries wait for what another projects', async () => {
    const log = await freshLog()
    const queries = runnerOn(log, { projecting: false })
    await queries.start()
    const projector = runnerOn(log)
    await projector.start()
    await tell(log.store, sample(20))
    expect(await queries.waitFor('sessions', await log.store.head(), 30_000)).toEqual({ ok: true })
    expect(queries.active).toBe(false)
  })
})

test('a runner that hangs in the middle of a transaction does not hold up the next one for ever', async () => {
  const log = await freshLog()
  const runner = runnerOn(log)
  await runner.start()
  const hung = new pg.Client({ connectionString: log.connectionString })
  hung.on('error', () => {})
  await hung.connect()
  onTestFinished(() => hung.end().catch(() => {}))
  const { prepareClient } = await import('../../src/projections/prepareClient.ts')
  await prepareClient(hung)
  await hung.query(
    'begin; update read.checkpoints set changes = changes; update read.leases set epoch = epoch',
  )
  await tell(log.store, sample(10))
  expect(await runner.waitFor('sessions', await log.store.head(), 30_000)).toEqual({ ok: true })
})
