import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ImportReport,
  type ImportRequest,
  importHistory,
} from '../../src/commands/import/importHistory.ts'
import { csvSource, ndjsonSource } from '../../src/commands/import/importSource.ts'
import type { StoredEvent } from '../../src/domain/envelope.ts'
import { chainOf } from '../../src/eventStore/chain.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { signals } from '../eventStore/contractSupport.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let store: EventStore
beforeAll(async () => {
  database = await freshDatabase()
  store = await createPostgresEventStore({ connectionString: database.connectionString })
})
afterAll(async () => {
  await store.close()
  await database.drop()
})

let count = 0
function request(tenant: string, more: Partial<ImportRequest> = {}): ImportRequest {
  count += 1
  return {
    importId: `import-${count}`,
    tenant,
    flowId: 'loans',
    flowVersion: 1,
    actor: { id: 'ada', role: 'admin' },
    correlationId: `correlation-${count}`,
    commandHash: 'none',
    ...more,
  }
}

async function* bytes(text: string | readonly string[], portion = 37): AsyncGenerator<Buffer> {
  const whole = Buffer.from(typeof text === 'string' ? text : text.join('\n'))
  for (let start = 0; start < whole.length; start += portion) yield whole.subarray(start, start + portion)
}

function take(
  tenant: string,
  lines: string | readonly string[],
  more?: Partial<ImportRequest>,
): Promise<ImportReport> {
  return importHistory({ store, now: () => new Date() }, request(tenant, more), ndjsonSource(bytes(lines)))
}

async function stream(tenant: string, session: string): Promise<StoredEvent[]> {
  return Array.fromAsync(store.read(`session-${tenant}_${session}`))
}

const step = (session: string, name: string, minute = 0) =>
  JSON.stringify({ session, step: name, at: `2011-09-30T22:${String(minute).padStart(2, '0')}:44.546Z` })

describe('an import', () => {
  test('begins a session with its first line and records the rest in file order', async () => {
    const report = await take('t1', [
      step('173688', 'A_SUBMITTED'),
      JSON.stringify({ session: '173688', signal: 'call', value: 2, at: '2011-09-30T22:38:44.546Z' }),
      step('other', 'A_SUBMITTED'),
      step('173688', 'A_ACCEPTED', 1),
    ])
    expect(report).toMatchObject({ rows: 4, sessions: 2, events: 4, rejected: [] })
    const events = await stream('t1', '173688')
    expect(events.map(({ type, data }) => [type, data.stepId ?? data.signal ?? data.flowId])).toEqual([
      ['SessionStarted', 'loans'],
      ['StepCompleted', 'A_SUBMITTED'],
      ['SignalTracked', 'call'],
      ['StepCompleted', 'A_ACCEPTED'],
    ])
    expect(events[1]!.metadata).toMatchObject({
      occurredAt: '2011-09-30T22:00:44.546Z',
      $causationId: report.importId,
    })
  })

  test('of the same file adds nothing, and of a longer file adds its tail', async () => {
    const file = [step('a', 'X'), step('a', 'X'), step('b', 'X'), step('a', 'Y', 1)]
    expect(await take('t2', file)).toMatchObject({ rows: 4, sessions: 2, events: 4 })
    expect(await take('t2', file)).toMatchObject({ rows: 4, sessions: 0, events: 0 })
    expect(await take('t2', [...file, step('a', 'X'), step('c', 'X')])).toMatchObject({
      sessions: 1,
      events: 2,
    })
    expect((await stream('t2', 'a')).length).toBe(5)
  })

  test('knows a line by what it says, not by how it is written', async () => {
    await take('t3', '{"session":"a","step":"X","at":"2011-09-30T22:38:44Z","data":{"p":1,"q":2}}')
    const again = '{ "data": {"q": 2.0, "p": 1}, "at":"2011-09-30T22:38:44Z", "step":"X", "session":"a" }'
    expect(await take('t3', again)).toMatchObject({ rows: 1, events: 0 })
  })

  test('reports bad lines with their numbers and takes the others in', async () => {
    const report = await take('t4', [
      step('a', 'X'),
      '{"session":"a","step":"X"',
      '{"session":"a","step":"X","at":"soon"}',
      `{"session":"a","step":"${'x'.repeat(1024 * 1024)}","at":"2011-09-30"}`,
      '',
      '[]',
      step('a', 'Y'),
      '{"session":"a","st',
    ])
    expect(report).toMatchObject({ rows: 7, sessions: 1, events: 2, rejectedCount: 5 })
    expect(report.rejected.map(({ line, code }) => [line, code])).toEqual([
      [2, 'malformed_json'],
      [3, 'invalid_time'],
      [4, 'line_too_long'],
      [6, 'invalid_line'],
      [8, 'malformed_json'],
    ])
  })

  test('refuses a line of a session that belongs to another flow', async () => {
    await take('t5', step('a', 'X'))
    const report = await take('t5', [step('a', 'Y'), step('b', 'Y')], { flowId: 'other' })
    expect(report).toMatchObject({ sessions: 1, events: 1 })
    expect(report.rejected).toMatchObject([{ line: 1, code: 'session_in_other_flow' }])
  })

  test('takes the user from a session’s first line', async () => {
    await take('t6', '{"session":"a","attributes":{"country":"FR"},"user":"u1","at":"2020-01-01"}')
    expect((await stream('t6', 'a')).map(({ type, data }) => [type, data.userId])).toEqual([
      ['SessionStarted', 'u1'],
      ['AttributesRecorded', 'u1'],
    ])
  })

  test('cut off half-way and run again holds every line once', async () => {
    const file = Array.from({ length: 30_000 }, (_, line) => step(`s${line % 97}`, `X${line % 5}`, line % 60))
    const cut = (async function* () {
      yield Buffer.from(`${file.slice(0, 20_000).join('\n')}\n`)
      throw new Error('the connection broke')
    })()
    const same = request('t7')
    await expect(importHistory({ store, now: () => new Date() }, same, ndjsonSource(cut))).rejects.toThrow(
      'broke',
    )
    await importHistory({ store, now: () => new Date() }, same, ndjsonSource(bytes(file, 65_536)))
    let recorded = 0
    for (let session = 0; session < 97; session++) recorded += (await stream('t7', `s${session}`)).length - 1
    expect(recorded).toBe(30_000)
  })

  test('run twice at the same time holds every line once', async () => {
    const file = Array.from({ length: 5000 }, (_, line) => step(`s${line % 13}`, `X${line % 3}`, line % 60))
    const [one, two] = await Promise.all([take('t8', file), take('t8', file)])
    expect(one.events + two.events).toBe(5000)
    expect(one.sessions + two.sessions).toBe(13)
    const all = await Promise.all(Array.from({ length: 13 }, (_, session) => stream('t8', `s${session}`)))
    expect(all.flat().length).toBe(5013)
    for (const events of all) {
      expect(events.map(({ revision }) => revision)).toEqual(events.map((_, index) => index))
      for (const [index, event] of events.entries())
        expect(chainOf(events[index - 1]?.metadata.chain, event)).toBe(event.metadata.chain)
    }
  })

  test('refused in a session that it goes on with writes what was refused first, and links it anew', async () => {
    const file = Array.from({ length: 9000 }, (_, value) => {
      const session = value % 20 === 0 ? 'both' : `own${value >> 5}`
      return JSON.stringify({ session, signal: 'counted', value, at: '2020-01-01' })
    })
    // As many events as the import has on their way: what it sends next is expected just where the stream then ends.
    let others = 0
    const contested: EventStore = {
      ...store,
      async appendMany(appends) {
        const own = appends.find((append) => append.stream.endsWith('_both'))
        if (own && others === 0) {
          others = own.events.length
          await store.append(own.stream, signals(own.stream, others), 'no_stream')
        }
        return store.appendMany(appends)
      },
    }
    const report = await importHistory(
      { store: contested, now: () => new Date() },
      request('t8b'),
      ndjsonSource(bytes(file, 65_536)),
    )
    expect(report).toMatchObject({ events: 9000, rejected: [] })
    const events = await stream('t8b', 'both')
    expect(events.slice(others).map(({ data }) => data.value)).toEqual(
      Array.from({ length: 450 }, (_, n) => n * 20),
    )
    for (const [index, event] of events.entries())
      expect(chainOf(events[index - 1]?.metadata.chain, event)).toBe(event.metadata.chain)
  })

  test('goes on in a stream that others write to, past one append’s size', async () => {
    const big = Array.from({ length: 6 }, (_, line) =>
      JSON.stringify({
        session: 'big',
        step: `X${line}`,
        at: '2020-01-01',
        data: { text: 'x'.repeat(400_000) },
      }),
    )
    expect(await take('t9', big)).toMatchObject({ events: 6, rejected: [] })
    expect((await stream('t9', 'big')).length).toBe(7)
  })

  test('reads CSV by a map of columns and names the row that does not fit', async () => {
    const csv =
      'case_id,activity,at,amount\nc1,A,2020-01-01 10:00:00,12.50\nc1,"B, or ""C""",2020-01-02,007\nc1,x\nc2,A,never,1\n'
    const source = csvSource(bytes(csv), {
      session: 'case_id',
      step: 'activity',
      at: 'at',
      'data.amount': 'amount',
    })
    const report = await importHistory({ store, now: () => new Date() }, request('t10'), source)
    expect(report).toMatchObject({ rows: 4, sessions: 1, events: 2 })
    expect(report.rejected.map(({ line, code }) => [line, code])).toEqual([
      [4, 'malformed_csv'],
      [5, 'invalid_time'],
    ])
    const events = await stream('t10', 'c1')
    expect(events.slice(1).map(({ data }) => data)).toEqual([
      { stepId: 'A', data: { amount: 12.5 } },
      { stepId: 'B, or "C"', data: { amount: '007' } },
    ])
  })

  test('reads CSV with a byte-order mark, line breaks of two characters, and semicolons or tabs', async () => {
    const rows = [
      ['case', 'what, when', 'at'],
      ['c1', 'A, "B"', '2020-01-01'],
      ['c1', 'two\nlines', '2020-01-02'],
    ]
    for (const [tenant, separator] of [
      ['t12', ';'],
      ['t13', '\t'],
      ['t14', ','],
    ] as const) {
      const quoted = rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(separator))
      const map = { session: 'case', signal: 'what, when', at: 'at' }
      const source = csvSource(bytes(`\uFEFF${quoted.join('\r\n')}\r\n`), map)
      const report = await importHistory({ store, now: () => new Date() }, request(tenant), source)
      expect(report).toMatchObject({ rows: 2, events: 1, rejected: [{ line: 4, code: 'invalid_line' }] })
      expect((await stream(tenant, 'c1'))[1]!.data).toEqual({ signal: 'A, "B"' })
    }
  })

  test('reports rows of a CSV that are not UTF-8 and takes the others in', async () => {
    const latin1 = Buffer.from('id,step,at\nc1,caf\xe9,2020-01-01\nc2,tea,2020-01-01\n', 'latin1')
    async function* portions() {
      yield latin1
    }
    const source = csvSource(portions(), { session: 'id', step: 'step', at: 'at' })
    const report = await importHistory({ store, now: () => new Date() }, request('t15'), source)
    expect(report).toMatchObject({ events: 1, rejected: [{ line: 2, code: 'invalid_utf8' }] })
  })

  test.each([
    ['a,b,a\n1,2,3\n', 'more than one column a'],
    ['"a"x,b\n1,2\n', 'the header cannot be read'],
  ])('of a CSV whose header is no header, %j, says so', async (text, message) => {
    const source = csvSource(bytes(text), { session: 'a', at: 'b' })
    await expect(importHistory({ store, now: () => new Date() }, request('t16'), source)).rejects.toThrow(
      message,
    )
  })

  test('of a CSV without a mapped column says which columns there are', async () => {
    const source = csvSource(bytes('a,b\n1,2\n'), { session: 'id', at: 'b' })
    await expect(importHistory({ store, now: () => new Date() }, request('t11'), source)).rejects.toThrow(
      'the file has no column id; its columns are a, b',
    )
  })
})

test('two attempts at one import at the same moment leave a stream whose chain holds, and one of them completes it', async () => {
  const given = request('twice')
  const lines = [step('a', 'ONE'), step('b', 'ONE')]
  const attempt = (through: EventStore) =>
    importHistory(
      { store: through, now: () => new Date() },
      { ...given, correlationId: 'x' },
      ndjsonSource(bytes(lines)),
    )
  let overtaken = false
  const slow: EventStore = Object.assign(Object.create(store), {
    append: async (...args: Parameters<EventStore['append']>) => {
      // The other attempt begins between this one's look at the stream and its append.
      if (!overtaken) {
        overtaken = true
        await importHistory({ store, now: () => new Date() }, given, ndjsonSource(bytes(lines)))
      }
      return store.append(...args)
    },
  })
  await attempt(slow).catch(() => {})
  const events = await Array.fromAsync(store.read(`import-twice_${given.importId}`))
  for (const [index, event] of events.entries())
    expect(event.metadata.chain).toBe(chainOf(events[index - 1]?.metadata.chain, event))
  expect(events[0]!.type).toBe('ImportStarted')
  expect(await stream('twice', 'a')).toHaveLength(2)
})
