import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { listFlows } from '../../src/projections/flows.ts'
import { listImports } from '../../src/projections/imports.ts'
import { abandonmentCandidates, listSessions } from '../../src/projections/sessionQueries.ts'
import { createStatistics } from '../../src/projections/statistics.ts'
import { recordIn } from '../support/log.ts'
import { type Happening, histories } from './support/histories.ts'
import { type FreshLog, freshLog, projectAll, tell } from './support/readModels.ts'

const T0 = Date.UTC(2026, 2, 2, 9)
const time = (seconds: number) => new Date(T0 + seconds * 1000).toISOString()
const begin = (session: string, seconds: number, more: object = {}): Happening => ({
  session,
  tenant: 'acme',
  event: {
    type: 'SessionStarted',
    data: { flowId: 'welcome', flowVersion: 1, userId: 'ada', context: {}, ...more },
  },
  occurredAt: time(seconds),
})
const then = (session: string, seconds: number, type: string, data: object = {}): Happening => ({
  session,
  tenant: 'acme',
  event: { type, data },
  occurredAt: time(seconds),
})
const publish = ({ store }: FreshLog, flowId: string, steps: readonly string[], abandonAfterHours?: number) =>
  recordIn(store, 'acme', `flow-acme_${flowId}`, [
    {
      type: 'FlowPublished',
      data: {
        flowId,
        version: 1,
        definition: {
          id: flowId,
          title: flowId,
          ...(abandonAfterHours && { abandonAfterHours }),
          steps: steps.map((id) => ({ id, title: id, kind: 'form' })),
        },
      },
    },
  ])

describe('the list of sessions', () => {
  test('goes from page to page, each session once, while others begin', async () => {
    const log = await freshLog()
    // Every third begins at the same moment as the one before.
    await tell(
      log.store,
      Array.from({ length: 25 }, (_, n) => begin(`s${n}`, Math.floor(n / 3) * 10)),
    )
    await projectAll(log)
    const seen: string[] = []
    let cursor: string | undefined
    for (let page = 0; page < 10; page++) {
      const found = await listSessions(log.pool, 'acme', { limit: 10, cursor })
      seen.push(...found!.data.map(({ id }) => id))
      if (found!.nextCursor === null) break
      cursor = found!.nextCursor
      await tell(log.store, [begin(`new${page}`, 10_000 + page)])
      await projectAll(log)
    }
    expect(new Set(seen).size).toBe(25)
    expect(seen).toHaveLength(25)
    expect((await listSessions(log.pool, 'other', { limit: 10 }))!.data).toEqual([])
  })

  test('is filtered by flow, status and user', async () => {
    const log = await freshLog()
    const long = 'u'.repeat(3000)
    await tell(log.store, [
      begin('s1', 0),
      begin('s2', 1, { flowId: 'loans', userId: `${long}2` }),
      begin('s3', 2, { userId: `${long}3` }),
      then('s3', 3, 'StepCompleted', { stepId: 'a', data: null }),
      then('s3', 3, 'StepSkipped', { stepId: 'b' }),
      then('s3', 4, 'SessionCompleted'),
    ])
    await projectAll(log)
    const ids = async (filter: object) =>
      (await listSessions(log.pool, 'acme', { limit: 10, ...filter }))!.data.map(({ id }) => id)
    expect(await ids({})).toEqual(['s3', 's2', 's1'])
    expect(await ids({ flowId: 'loans' })).toEqual(['s2'])
    expect(await ids({ status: 'completed' })).toEqual(['s3'])
    expect(await ids({ userId: `${long}2` })).toEqual(['s2'])
    expect(await ids({ userId: 'ada', flowId: 'loans' })).toEqual([])
    const [last] = (await listSessions(log.pool, 'acme', { limit: 1, status: 'completed' }))!.data
    expect(last).toEqual({
      id: 's3',
      tenantId: 'acme',
      userId: `${long}3`,
      flowId: 'welcome',
      flowVersion: 1,
      status: 'completed',
      startedAt: time(2),
      lastActivityAt: time(4),
      completedAt: time(4),
      milestone: 0,
      completedStepCount: 1,
      skippedStepCount: 1,
      revision: 3,
    })
  })

  test.each([
    '',
    'abc',
    'WzFd',
    Buffer.from('["2026-02-31T00:00:00.000Z","x"]').toString('base64url'),
    Buffer.from('{"length":2}').toString('base64url'),
  ])('has no page after %j', async (cursor) =>
    expect(
      await listSessions({ query: async () => Promise.reject() } as never, 'acme', { limit: 1, cursor }),
    ).toBeNull(),
  )
})

test('sessions idle for longer than their flow allows may be abandoned, imported ones never', async () => {
  const log = await freshLog()
  await publish(log, 'welcome', ['a'], 2)
  await publish(log, 'loans', ['a'])
  const hour = 3600
  await tell(log.store, [
    begin('idle', 0),
    begin('paused', 0),
    then('paused', 1, 'SessionPaused'),
    begin('busy', 0),
    then('busy', 2 * hour, 'StepSaved', { stepId: 'a', data: 1 }),
    begin('imported', 0, { imported: true }),
    begin('slow', 0, { flowId: 'loans' }),
  ])
  await projectAll(log)
  const at = async (seconds: number) =>
    (await abandonmentCandidates(log.pool, time(seconds), 10)).map(({ sessionId }) => sessionId)
  expect(await at(2 * hour - 1)).toEqual([])
  expect(await at(2 * hour)).toEqual(['idle'])
  expect(await at(4 * hour)).toEqual(['idle', 'busy'])
  expect(await at(73 * hour)).toEqual(['idle', 'slow', 'busy'])
})

describe('statistics', () => {
  test('count sessions and steps, in the order of the flow, and take repeats in', async () => {
    const log = await freshLog()
    await publish(log, 'welcome', ['b', 'a'])
    await tell(log.store, [
      begin('s1', 0),
      then('s1', 5, 'StepStarted', { stepId: 'a' }),
      then('s1', 6, 'StepValidationFailed', { stepId: 'a', errors: [] }),
      then('s1', 15, 'StepCompleted', { stepId: 'a', data: 1 }),
      then('s1', 20, 'StepCompleted', { stepId: 'a', data: 2 }),
      then('s1', 20, 'StepSkipped', { stepId: 'z' }),
      then('s1', 100, 'SessionCompleted'),
      begin('s2', 0),
      then('s2', 31, 'StepCompleted', { stepId: 'a', data: 1 }),
      begin('s3', 0),
      then('s3', 1, 'SessionAbandoned', { reason: 'requested' }),
    ])
    await projectAll(log)
    const statistics = createStatistics(log.pool)
    expect(await statistics.of('acme', 'welcome')).toEqual({
      flowId: 'welcome',
      counts: { active: 1, paused: 0, completed: 1, abandoned: 1 },
      completionRate: 1 / 3,
      medianSeconds: 100,
      steps: [
        {
          stepId: 'b',
          started: 0,
          submitted: 0,
          failedValidations: 0,
          skipped: 0,
          medianSeconds: null,
          p90Seconds: null,
        },
        {
          stepId: 'a',
          started: 1,
          submitted: 3,
          failedValidations: 1,
          skipped: 0,
          medianSeconds: 20.5,
          p90Seconds: 28.9,
        },
        {
          stepId: 'z',
          started: 0,
          submitted: 0,
          failedValidations: 0,
          skipped: 1,
          medianSeconds: null,
          p90Seconds: null,
        },
      ],
    })
    expect(await statistics.stepMedians('acme', 'welcome')).toEqual(new Map([['a', 20.5]]))
    expect(await statistics.of('acme', 'none')).toBeNull()
    expect(await statistics.of('other', 'welcome')).toBeNull()
  })

  test('have exact quantiles of whatever happened', async () => {
    const log = await freshLog()
    const told = fc
      .sample(histories(400), { numRuns: 6, seed: 4 })
      .flatMap((one, n) => one.map((each) => ({ ...each, session: `${n}-${each.session}` })))
    await tell(log.store, told)
    await projectAll(log)
    const { rows } = await log.pool.query(
      `select tenant, flow_id, step_id, count(duration_ms)::int as n, sum(submitted)::int as submitted,
              percentile_cont(0.5) within group (order by duration_ms) / 1000 as median,
              percentile_cont(0.9) within group (order by duration_ms) / 1000 as p90
         from read.steps group by 1, 2, 3`,
    )
    expect(rows.length).toBeGreaterThan(10)
    const statistics = createStatistics(log.pool)
    for (const { tenant, flow_id, step_id, submitted, median, p90 } of rows) {
      const step = (await statistics.of(tenant, flow_id))!.steps.find(({ stepId }) => stepId === step_id)!
      expect(step.submitted).toBe(submitted)
      if (median === null) expect(step.medianSeconds).toBeNull()
      else {
        expect(step.medianSeconds).toBeCloseTo(median, 6)
        expect(step.p90Seconds).toBeCloseTo(p90, 6)
      }
    }
    const flows = await log.pool.query(
      `select tenant, flow_id, percentile_cont(0.5) within group (order by duration_ms) / 1000 as median
         from read.sessions where duration_ms is not null group by 1, 2`,
    )
    expect(flows.rows.length).toBeGreaterThan(1)
    for (const { tenant, flow_id, median } of flows.rows)
      expect((await statistics.of(tenant, flow_id))!.medianSeconds).toBeCloseTo(median, 6)
  })

  test('are read once for many who ask at once, and anew when something must be seen', async () => {
    const log = await freshLog()
    await publish(log, 'welcome', ['a'])
    await projectAll(log)
    let queries = 0
    const counting = {
      query(config: never) {
        queries += 1
        return log.pool.query(config)
      },
    }
    let position = '1'
    const statistics = createStatistics(counting as never, () => position)
    await Promise.all(Array.from({ length: 50 }, () => statistics.of('acme', 'welcome')))
    await statistics.of('acme', 'welcome', '1')
    expect(queries).toBe(1)
    await tell(log.store, [begin('s1', 0)])
    await projectAll(log)
    position = '2'
    expect((await statistics.of('acme', 'welcome', '2'))!.counts.active).toBe(1)
    expect(queries).toBe(2)
  })
})

test('flows and imports are listed page by page', async () => {
  const log = await freshLog()
  for (const flowId of ['c', 'a', 'b']) await publish(log, flowId, ['one', 'two'])
  for (const [n, id] of ['i1', 'i2', 'i3'].entries())
    await recordIn(
      log.store,
      'acme',
      `import-acme_${id}`,
      [{ type: 'ImportStarted', data: { importId: id, flowId: 'a' } }],
      time(n),
    )
  await projectAll(log)
  const first = await listFlows(log.pool, 'acme', { limit: 2 })
  expect(first!.data.map(({ flowId, version, steps }) => [flowId, version, steps])).toEqual([
    ['a', 1, ['one', 'two']],
    ['b', 1, ['one', 'two']],
  ])
  const rest = await listFlows(log.pool, 'acme', { limit: 2, cursor: first!.nextCursor! })
  expect(rest).toMatchObject({ data: [{ flowId: 'c' }], nextCursor: null })
  const imports = await listImports(log.pool, 'acme', { limit: 2 })
  expect(imports!.data).toMatchObject([
    { importId: 'i3', status: 'running', startedAt: time(2), startedBy: 'tester' },
    { importId: 'i2' },
  ])
  expect(
    (await listImports(log.pool, 'acme', { limit: 2, cursor: imports!.nextCursor! }))!.data,
  ).toMatchObject([{ importId: 'i1' }])
})
