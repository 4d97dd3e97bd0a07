import { randomUUID } from 'node:crypto'
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { DomainEvent } from '../../src/domain/envelope.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import {
  type Analysis,
  type AnalysisOptions,
  startAnalysis,
} from '../../src/projections/analysis/analysisIndex.ts'
import { askForRebuild } from '../../src/projections/analysis/snapshots.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { record } from '../support/log.ts'

const FLOW = 'trial'
let database: TestDatabase
let store: EventStore
let folder: string
const running = new Set<Analysis>()

beforeAll(async () => {
  database = await freshDatabase()
  store = await createPostgresEventStore(database)
  folder = await mkdtemp(join(tmpdir(), 'gangway-analysis-'))
})
afterEach(async () => {
  for (const analysis of running) await analysis.stop()
  running.clear()
})
afterAll(async () => {
  await store?.close()
  await database?.drop()
  await rm(folder, { recursive: true, force: true })
})

/** A node's index, and what it says of itself. */
function start(options: Partial<AnalysisOptions> = {}) {
  const said: string[] = []
  const hear = (details: object, message: string) => said.push(`${message} ${JSON.stringify(details)}`)
  const analysis = startAnalysis({
    databaseUrl: database.connectionString,
    eventStoreUrl: undefined,
    folder,
    keeping: false,
    logger: { info: hear, warn: hear },
    ...options,
  })
  running.add(analysis)
  return { analysis, said, stop: () => analysis.stop().then(() => running.delete(analysis)) }
}

const started = (context: object = {}): DomainEvent => ({
  type: 'SessionStarted',
  data: { flowId: FLOW, flowVersion: 1, userId: null, context } as never,
})
const completed = (stepId: string, data: unknown = {}): DomainEvent => ({
  type: 'StepCompleted',
  data: { stepId, data } as never,
})

/** So many new sessions that do `a`; answers the position after them. */
async function grow(tenant: string, sessions: number, steps: readonly string[] = ['a']): Promise<string> {
  let position = '0'
  for (let i = 0; i < sessions; i++) {
    const events = [started({ plan: `plan ${i % 3} – ü` }), ...steps.map((step) => completed(step, { n: i }))]
    position = (await record(store, tenant, randomUUID(), events)).position
  }
  return position
}

const funnel = { flowId: FLOW, steps: [{ step: 'a' }, { step: 'b' }], breakdown: { attribute: 'plan' } }

async function ask(analysis: Analysis, tenant: string, after?: string, query: object = funnel) {
  // A query waits for its position a few seconds only, which starting a thread and reading the log can take on a busy machine.
  if (after) await analysis.reached(after, 30_000)
  const reply = await analysis.query(tenant, 'funnel', query as never, after)
  if (reply.is !== 'answer') throw new Error(JSON.stringify(reply))
  const { computeMs: _, asOf: __, ...answer } = JSON.parse(reply.json)
  return answer
}

test('events are seen without a question in between', async () => {
  const tenant = randomUUID()
  const { analysis } = start()
  const position = await grow(tenant, 3, ['a', 'b'])
  expect((await ask(analysis, tenant, position)).steps[0].count).toBe(3)
  const next = await grow(tenant, 2)
  const seen = async () => BigInt((await analysis.status())?.position ?? 0) >= BigInt(next)
  await expect.poll(seen, { timeout: 20_000 }).toBe(true)
  const answer = await ask(analysis, tenant)
  expect(answer.steps.map((step: { count: number }) => step.count)).toEqual([5, 3])
  expect(BigInt(answer.asOfPosition)).toBeGreaterThanOrEqual(BigInt(next))
})

test('a restart goes on from the snapshot and answers the same', async () => {
  const tenant = randomUUID()
  const first = start()
  const position = await grow(tenant, 4, ['a', 'b'])
  const before = await ask(first.analysis, tenant, position)
  await first.stop()
  const tail = await grow(tenant, 1)
  const second = start()
  const after = await ask(second.analysis, tenant, tail)
  expect(second.said.join('\n')).toMatch(/was read from its snapshot .*"events":\d\d/)
  expect(after.steps[0].count).toBe(before.steps[0].count + 1)
  expect(after.breakdowns).toHaveLength(3)
  const status = await second.analysis.status()
  expect(status).toMatchObject({ current: true, lagEvents: 0, flows: expect.any(Number) })
  expect(status!.bytes).toBeGreaterThan(1000)
})

test('a damaged snapshot, whichever byte, is told and built anew', async () => {
  const tenant = randomUUID()
  const first = start()
  const position = await grow(tenant, 2, ['a', 'b'])
  const before = await ask(first.analysis, tenant, position)
  await first.stop()
  const file = join(folder, 'index.snapshot')
  const { size } = await stat(file)
  for (const at of [3, Math.floor(size / 2), size - 30, size - 10]) {
    const handle = await open(file, 'r+')
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, at)
    byte[0]! ^= 0xff
    await handle.write(byte, 0, 1, at)
    await handle.close()
    const next = start()
    const { asOfPosition: _, ...answer } = await ask(next.analysis, tenant, position)
    const { asOfPosition: __, ...expected } = before
    expect(answer).toEqual(expected)
    expect(next.said.join('\n')).toContain('is damaged')
    await next.stop()
  }
  expect(await readdir(folder)).toEqual(['index.snapshot'])
})

test('a snapshot of another log is left', async () => {
  const first = start()
  await ask(first.analysis, 'elsewhere', await grow('elsewhere', 1, ['a', 'b']))
  await first.stop()
  const other = await freshDatabase()
  const theirs = await createPostgresEventStore(other)
  const { position } = await record(theirs, 'here', 's1', [started(), completed('a'), completed('b')])
  const second = start({ databaseUrl: other.connectionString })
  expect((await ask(second.analysis, 'here', position)).steps[0].count).toBe(1)
  expect((await second.analysis.query('elsewhere', 'funnel', funnel as never)).is).toBe('flow_unknown')
  expect(second.said.join('\n')).toContain('is of another log')
  await second.stop()
  await theirs.close()
  await other.drop()
  await rm(join(folder, 'index.snapshot'))
})

test('rebuilt from the log it answers the same', async () => {
  const tenant = randomUUID()
  const { analysis, said } = start()
  const position = await grow(tenant, 3, ['a', 'b'])
  const before = await ask(analysis, tenant, position)
  await analysis.rebuild()
  expect(await ask(analysis, tenant, position)).toEqual(before)
  await askForRebuild(folder)
  const rebuilt = () => said.filter((line) => line.startsWith('The analysis index was built anew')).length
  await expect.poll(rebuilt, { timeout: 30_000 }).toBe(2)
  expect(await ask(analysis, tenant, position)).toEqual(before)
})

test('more questions than may wait are turned away at once', async () => {
  const tenant = randomUUID()
  const { analysis } = start({ most: 3 })
  const position = await grow(tenant, 1, ['a', 'b'])
  await ask(analysis, tenant, position)
  const replies = await Promise.all(
    Array.from({ length: 8 }, () => analysis.query(tenant, 'funnel', funnel as never)),
  )
  expect(replies.map(({ is }) => is).toSorted()).toEqual([
    ...Array(3).fill('answer'),
    ...Array(5).fill('busy'),
  ])
})

test('a query that takes too long is ended; the index comes back by itself', async () => {
  const tenant = randomUUID()
  const { analysis, said } = start({ limitMs: 250 })
  const values = Array.from({ length: 30_000 }, (_, n) => completed('a', { n, text: `value ${n}` }))
  let position = ''
  for (let i = 0; i < values.length; i += 1000)
    ({ position } = await record(store, tenant, `s${i}`, [started(), ...values.slice(i, i + 1000)]))
  const costly = 'properties.text.matches("(v|w)*a.*[0-9]+[1-8]$") && properties.n > 1.0'
  const steps = Array.from({ length: 40 }, (_, i) => ({
    step: 'a',
    where: `${costly} || ${i}.0 == properties.n`,
  }))
  expect(await analysis.reached(position, 30_000)).toEqual({ is: 'done' })
  const quick = { flowId: FLOW, steps: [{ step: 'a' }] }
  const slow = await analysis.query(tenant, 'funnel', { flowId: FLOW, steps } as never)
  expect(slow.is).toBe('too_slow')
  expect(said.join('\n')).toContain('took too long')
  await expect
    .poll(() => analysis.query(tenant, 'funnel', quick as never).then(({ is }) => is), { timeout: 30_000 })
    .toBe('answer')
}, 120_000)
