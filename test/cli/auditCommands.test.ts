import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { replayPage } from '../../src/cli/replayPage.ts'
import { createFlows } from '../../src/commands/flows.ts'
import { replaySession } from '../../src/commands/replaySession.ts'
import { streamName } from '../../src/domain/stream.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { record, recordIn, signal } from '../support/log.ts'
import { runProgram } from '../support/program.ts'

let database: TestDatabase
let store: EventStore
let folder: string

const definition = {
  id: 'welcome',
  title: 'Welcome',
  steps: [
    { id: 'first', title: 'First', kind: 'form' },
    { id: 'second', title: 'Second', kind: 'form', dependsOn: ['first'] },
  ],
}

beforeAll(async () => {
  database = await freshDatabase()
  folder = await mkdtemp(join(tmpdir(), 'gangway-cli-'))
  store = await createPostgresEventStore({ connectionString: database.connectionString })
  const published = { type: 'FlowPublished', data: { flowId: 'welcome', version: 1, definition } }
  await recordIn(
    store,
    'acme',
    streamName('flow', 'acme', 'welcome'),
    [published],
    '2026-01-01T00:00:00.000Z',
  )
  const started = {
    type: 'SessionStarted',
    data: { flowId: 'welcome', flowVersion: 1, userId: 'ada', context: {} },
  }
  await record(store, 'acme', 's1', [started], '2026-01-02T00:00:00.000Z')
  const failed = { stepId: 'first', errors: [{ pointer: '/data', detail: 'no' }] }
  await record(
    store,
    'acme',
    's1',
    [{ type: 'StepValidationFailed', data: failed }],
    '2026-01-03T00:00:00.000Z',
  )
  const completed = { type: 'StepCompleted', data: { stepId: 'first', data: { text: '\u001b[31mred' } } }
  await record(store, 'acme', 's1', [completed], '2026-01-04T00:00:00.000Z')
})

afterAll(async () => {
  await store.close()
  await database.drop()
  await rm(folder, { recursive: true })
})

const run = (command: string, ...args: string[]) =>
  runProgram(command, args, { DATABASE_URL: database.connectionString, DATA_DIR: folder })
const replay = (...args: string[]) => run('replay', '--tenant', 'acme', ...args)

test('replay shows a session beside the events that made it, plainly when nobody watches', async () => {
  const [{ code, out }, whole] = await Promise.all([
    replay('--stream', 's1'),
    replay('--stream', 'session-acme_s1'),
  ])
  expect(code).toBe(0)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  expect(out).not.toMatch(/\u001b/)
  const line = (part: RegExp) => out.split('\n').find((it) => part.test(it))
  expect(line(/✓ first/)).toBeDefined()
  expect(line(/○ second/)).toBeDefined()
  expect(line(/50 %/)).toBeDefined()
  expect(line(/ 2 {2}2026-01-04 00:00:00Z {2}StepCompleted/)).toContain('first')
  expect(
    out
      .split('\n')
      .slice(1, 4)
      .every((it) => it.includes('│')),
  ).toBe(true)
  expect(whole.out).toBe(out)
})

test('replay shows it as it was at a revision or time, as JSON too', async () => {
  const [revision, time] = await Promise.all([
    replay('--stream', 's1', '--at', '1'),
    replay('--stream', 's1', '--at', '2026-01-03', '--json'),
  ])
  expect(revision.out).toContain('○ first')
  const { session, events } = JSON.parse(time.out)
  expect([session.revision, session.completedSteps, events.length]).toEqual([1, [], 2])
})

test('replay shows another stream as its events', async () => {
  const { out } = await replay('--stream', 'flow-acme_welcome')
  expect(out).toContain('FlowPublished')
})

test('replay fails with one clear line', async () => {
  const mistakes = [
    [['--stream', 'none'], 1, 'no stream or session "none"'],
    [['--stream', 'session-other_s1'], 1, 'no stream or session'],
    [['--stream', 's1', '--at', '2025-01-01'], 1, 'up to then'],
    [['--stream', 's1', '--at', 'soon'], 2, '--at must be'],
    [[], 2, '--stream is missing'],
  ] as const
  const answers = await Promise.all(mistakes.map(([args]) => replay(...args)))
  for (const [i, [, code, words]] of mistakes.entries()) {
    expect([answers[i]!.code, answers[i]!.out]).toEqual([code, ''])
    expect(answers[i]!.err).toContain(words)
  }
})

test('a narrow terminal shows the session above its events, and a terminal shows colours', async () => {
  const replayed = (await replaySession({ store, flows: createFlows(store) }, 'acme', 's1'))!
  const narrow = replayPage('s1', replayed, { colour: false, width: 80 }).split('\n')
  expect(narrow.every((line) => [...line].length <= 80)).toBe(true)
  expect(narrow.some((line) => line.includes('│'))).toBe(false)
  const wide = replayPage('s1', replayed, { colour: true, width: 140 })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  expect(wide).toMatch(/\u001b\[32m✓ first/)
  expect(wide).not.toContain('\u001b[31mred')
})

test('audit verify says ok and leaves a signed checkpoint, then names a fault and fails', async () => {
  const fine = await run('audit', 'verify')
  expect([fine.code, fine.err]).toEqual([0, ''])
  expect(fine.out).toContain('ok: 4 events in 2 streams of 1 tenants')
  expect(await readFile(join(folder, 'audit', 'key.pub.pem'), 'utf8')).toContain('PUBLIC KEY')
  await record(store, 'other', 's1', [signal('x')])
  expect((await run('audit', 'verify', '--tenant', 'acme')).out).toContain('ok: 4 events')

  const admin = new pg.Client({ connectionString: database.connectionString })
  await admin.connect()
  await admin.query('alter table log.events disable trigger all')
  await admin.query('delete from log.events where position = 4')
  await admin.end()
  const [fault, others, report] = await Promise.all([
    run('audit', 'verify'),
    run('audit', 'verify', '--tenant', 'other'),
    run('audit', 'verify', '--json'),
  ])
  expect([fault.code, fault.out]).toEqual([1, ''])
  expect(fault.err).toMatch(/^FAULT at stream session-acme_s1, revision 2, position 4: removed: .*\n$/)
  expect(others.code).toBe(0)
  expect(JSON.parse(report.out)).toMatchObject({ ok: false })
})

test('audit knows verify and nothing else', async () => {
  const answer = await run('audit', 'forge')
  expect([answer.code, answer.err]).toEqual([2, 'There is no audit command "forge"; there is verify.\n'])
})
