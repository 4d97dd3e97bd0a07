import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generations } from '../../src/projections/checkpoint.ts'
import { familiesOf } from '../../src/projections/family.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { RebuildUnderWay, rebuild } from '../../src/projections/rebuild.ts'
import { sessions } from '../../src/projections/sessions.ts'
import { signals } from '../../src/projections/signals.ts'
import { steps } from '../../src/projections/steps.ts'
import { type Happening, histories } from './support/histories.ts'
import { contents, type FreshLog, freshLog, projectAll, runnerOn, tell } from './support/readModels.ts'

const projections: AnyProjection[] = [sessions, steps, signals]
const [family] = familiesOf(projections)

const sample = (length: number, seed = 1): Happening[] =>
  fc.sample(histories(length), { numRuns: 20, seed }).sort((a, b) => b.length - a.length)[0]!
const renamed = (told: readonly Happening[], prefix: string) =>
  told.map((one) => ({ ...one, session: `${prefix}${one.session}` }))

const rebuildOf = (
  { store, connectionString }: FreshLog,
  more: Partial<Parameters<typeof rebuild>[0]> = {},
) =>
  rebuild({
    store,
    connectionString,
    family: family!,
    signal: new AbortController().signal,
    tuning: { pageSize: 10, bulkRows: 5 },
    ...more,
  })

async function projected(told = sample(60)) {
  const log = await freshLog()
  await tell(log.store, told)
  await projectAll(log, { projections })
  return log
}

describe('a rebuild', () => {
  test('gives the same read models byte for byte, and says so', async () => {
    const log = await projected()
    const before = await contents(log.connectionString, projections)
    const report = await rebuildOf(log)
    expect(report.comparison?.equal).toBe(true)
    expect(report.comparison?.models.map(({ name }) => name)).toEqual(Object.keys(before))
    expect(await contents(log.connectionString, projections)).toEqual(before)
    const { rows } = await log.pool.query(
      `select tablename from pg_tables where schemaname = 'read' and tablename ~ '_v[0-9]+_g1$'`,
    )
    expect(rows).toEqual([])
  })

  test('tells which rows differ, and mends them', async () => {
    const log = await projected()
    const before = await contents(log.connectionString, projections)
    const {
      rows: [gone],
    } = await log.pool.query(
      'delete from read.steps_v1_g1 where ctid in (select ctid from read.steps_v1_g1 limit 1) returning *',
    )
    await log.pool.query(`update read.step_statistics_v1_g1 set submitted = submitted + 1`)
    const { comparison } = await rebuildOf(log)
    expect(comparison?.equal).toBe(false)
    const byName = new Map(comparison!.models.map((model) => [model.name, model]))
    expect(byName.get('steps')).toMatchObject({
      different: 1,
      examples: [`${gone.tenant} ${gone.session_id} ${gone.step_id}`],
    })
    expect(byName.get('step_statistics')!.different).toBe(byName.get('step_statistics')!.rows.old)
    expect(byName.get('sessions')!.different).toBe(0)
    expect(await contents(log.connectionString, projections)).toEqual(before)
  })

  test('works while others append, project and query, and no query sees a gap', async () => {
    const log = await projected()
    const runner = runnerOn(log, { projections })
    await runner.start()
    while (!runner.active) await delay(10)
    let done = false
    let least = Number.POSITIVE_INFINITY
    const appending = (async () => {
      for (let n = 0; !done && n < 200; n++) await tell(log.store, renamed(sample(10, n), `n${n}-`))
    })()
    const {
      rows: [{ n: sessionsBefore }],
    } = await log.pool.query('select count(*)::int as n from read.sessions')
    let position = 0
    const querying = (async () => {
      while (!done) {
        const { rows } = await log.pool.query(
          `select (select count(*)::int from read.sessions) as n,
                  (select min(position)::int from read.checkpoints where status = 'live') as position`,
        )
        least = Math.min(least, rows[0].n)
        if (rows[0].position < position) throw new Error('the read models went back')
        position = rows[0].position
      }
    })()
    const tuning = { pageSize: 200, bulkRows: 200 }
    const first = await rebuildOf(log, { tuning })
    const second = await rebuildOf(log, { tuning })
    done = true
    await Promise.all([appending, querying])
    expect([first.comparison?.equal, second.comparison?.equal]).toEqual([true, true])
    expect(least).toBeGreaterThanOrEqual(sessionsBefore)
    expect(await runner.waitFor('sessions', await log.store.head(), 10_000)).toEqual({ ok: true })
    await runner.stop()
    const found = await contents(log.connectionString, projections)
    await log.pool.query('drop schema read cascade')
    await projectAll(log, { projections })
    expect(await contents(log.connectionString, projections)).toEqual(found)
  })

  test('that was cut off goes on where it was', async () => {
    const log = await projected()
    const before = await contents(log.connectionString, projections)
    const cut = new AbortController()
    await expect(
      rebuildOf(log, {
        signal: cut.signal,
        onProgress: ({ phase, position }) => {
          if (phase === 'reading' && position !== '0') cut.abort()
        },
      }),
    ).rejects.toThrow()
    const [, half] = await generations(log.pool)
    expect(half).toMatchObject({ status: 'building', generation: 2 })
    const report = await rebuildOf(log)
    expect(report.resumedFrom).toBe(half!.position)
    expect(Number(half!.position)).toBeGreaterThan(0)
    expect(await contents(log.connectionString, projections)).toEqual(before)
    expect(await generations(log.pool)).toMatchObject([{ status: 'live', generation: 2 }])
  })

  test('is done by one at a time', async () => {
    const log = await projected(sample(200))
    const results = await Promise.allSettled([rebuildOf(log), rebuildOf(log)])
    const failed = results.filter((result) => result.status === 'rejected')
    expect(failed).toHaveLength(1)
    expect(failed[0]!.reason).toBeInstanceOf(RebuildUnderWay)
  })
})

describe('a projection of a new version', () => {
  /** One column more, and every flow in capitals. */
  const changed: AnyProjection = {
    ...signals,
    version: 2,
    table: {
      ...signals.table,
      columns: { ...signals.table.columns, loud: 'text' },
      about: { ...signals.table.about, loud: '' },
    } as never,
    merge: { ...signals.merge, loud: 'max' },
    evolve: (row, event, session) => {
      const next = signals.evolve(row, event, session)!
      return { ...next, loud: next.flow_id.toUpperCase() }
    },
  }
  const newer = [sessions, steps, changed]

  async function untilVersion({ pool }: FreshLog, version: number) {
    for (let tries = 0; tries < 400; tries++) {
      const [live] = (await generations(pool)).filter(({ status }) => status === 'live')
      if (live!.version === version) return
      await delay(25)
    }
    throw new Error(`never came to version ${version}`)
  }

  test('is built beside the old one at the next start, and swapped in', async () => {
    const log = await projected()
    const runner = runnerOn(log, { projections: newer })
    await runner.start()
    await untilVersion(log, 5)
    await tell(log.store, renamed(sample(20, 9), 'later'))
    expect(await runner.waitFor('signals', await log.store.head(), 10_000)).toEqual({ ok: true })
    const { rows } = await log.pool.query('select distinct loud from read.signals order by 1')
    expect(rows).toEqual([{ loud: 'LOANS' }, { loud: 'WELCOME' }])
    expect((await log.pool.query('select * from read.sessions limit 1')).rows).toHaveLength(1)
  })

  test('is not taken back by a node of the older build', async () => {
    const log = await projected()
    const upgraded = runnerOn(log, { projections: newer })
    await upgraded.start()
    await untilVersion(log, 5)
    await upgraded.stop()
    const old = runnerOn(log, { projections })
    await old.start()
    await delay(900)
    expect(old.active).toBe(false)
    expect(await generations(log.pool)).toMatchObject([{ status: 'live', version: 5 }])
  })
})

test('a read model that is new beside others is built on its own and then kept with them', async () => {
  const log = await freshLog()
  await tell(log.store, sample(40))
  const alone: AnyProjection = { ...sessions, name: 'alone', tallies: [] }
  await projectAll(log, { projections })
  await projectAll(log, { projections: [...projections, alone] })
  const { rows } = await log.pool.query(
    'select count(*)::int as n, (select count(*)::int from read.sessions) as of from read.alone',
  )
  expect(rows[0].n).toBe(rows[0].of)
  expect(rows[0].n).toBeGreaterThan(0)
})
