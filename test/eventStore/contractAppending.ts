import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/domain/json.ts'
import { comparePositions } from '../../src/domain/position.ts'
import { type AppendResult, EventStoreUnavailable } from '../../src/eventStore/eventStore.ts'
import type { Nodes } from './contract.ts'
import { collect, events, ids, newStream, readAllOf, revisions, signal, signals } from './contractSupport.ts'

export function appending(nodes: Nodes): void {
  describe('append', () => {
    test('answers the revision and position of its last event, once it can be read', async () => {
      const stream = newStream()
      const first = await nodes.store.append(stream, signals(stream, 3), 'no_stream')
      const stored = await collect(nodes.store.read(stream))
      expect(first).toMatchObject({ ok: true, revision: 2, position: stored[2]!.position })
      const second = await nodes.store.append(stream, signals(stream, 1), 2)
      expect(second).toMatchObject({ ok: true, revision: 3 })
      expect(comparePositions(position(second), position(first))).toBeGreaterThan(0)
    })

    test('refuses any expectation but the true one, tells it, and writes nothing', async () => {
      const stream = newStream()
      for (const expected of [0, 7])
        expect(await nodes.store.append(stream, signals(stream, 2), expected)).toEqual({
          ok: false,
          actual: 'no_stream',
        })
      const written = signals(stream, 3)
      await nodes.store.append(stream, written, 'no_stream')
      for (const expected of ['no_stream', 0, 1, 3, 99] as const)
        expect(await nodes.store.append(stream, signals(stream, 2), expected)).toEqual({
          ok: false,
          actual: 2,
        })
      expect(ids(await collect(nodes.store.read(stream)))).toEqual(ids(written))
    })

    test('the same ids with the same expectation answer the first outcome, also much later', async () => {
      const stream = newStream()
      const first = signals(stream, 2)
      const more = signals(stream, 3)
      const outcomes = [
        await nodes.store.append(stream, first, 'no_stream'),
        await nodes.store.append(stream, more, 1),
      ]
      await nodes.store.append(stream, signals(stream, 1), 4)
      expect(outcomes[0]).toMatchObject(await nodes.store.append(stream, first, 'no_stream'))
      expect(outcomes[1]).toMatchObject(await nodes.store.append(stream, more, 1))
      expect(outcomes[1]).toMatchObject(await nodes.other.append(stream, more, 1))
      expect(await collect(nodes.store.read(stream))).toHaveLength(6)
    })

    test('the first ones of an append are a repeat of it too', async () => {
      const stream = newStream()
      const all = signals(stream, 5)
      await nodes.store.append(stream, all, 'no_stream')
      const third = (await collect(nodes.store.read(stream)))[2]!
      expect(await nodes.store.append(stream, all.slice(0, 3), 'no_stream')).toEqual({
        ok: true,
        revision: 2,
        position: third.position,
      })
    })

    test('old ids with a new one among them, or at another place, are no repeat', async () => {
      const stream = newStream()
      const written = signals(stream, 2)
      await nodes.store.append(stream, written, 'no_stream')
      const refused = { ok: false, actual: 1 }
      expect(await nodes.store.append(stream, [...written, ...signals(stream, 1)], 'no_stream')).toEqual(
        refused,
      )
      expect(await nodes.store.append(stream, [...signals(stream, 1), written[1]!], 'no_stream')).toEqual(
        refused,
      )
      expect(await nodes.store.append(stream, written, 0)).toEqual(refused)
    })

    test('the same append sent several times at once is written once and answered alike', async () => {
      const stream = newStream()
      const written = signals(stream, 2)
      const outcomes = await Promise.all(
        [nodes.store, nodes.other, nodes.store, nodes.other, nodes.store].map((node) =>
          node.append(stream, written, 'no_stream'),
        ),
      )
      expect(
        new Set(outcomes.map((outcome) => JSON.stringify({ ...outcome, fresh: undefined }))),
      ).toHaveLength(1)
      expect(outcomes[0]).toMatchObject({ ok: true, revision: 1 })
      expect(ids(await collect(nodes.store.read(stream)))).toEqual(ids(written))
    })

    test('keeps any JSON as it is', async () => {
      const stream = newStream()
      const values: JsonObject[] = [
        { text: 'naïve — 日本語 — 😂 — \u0000 — \u001f — \\ — " — \u2028' },
        { numbers: [0, -1, 1e21, 5e-324, 1.7976931348623157e308, 9007199254740991, 0.1] },
        { nothing: null, yes: true, no: false, empty: [{}, [], ''] },
        { 'a.b': 1, $c: 2, 'd e': 3, é: 4, 'x\u0000y': 5, constructor: 6, 10: 7, 9: 8 },
        JSON.parse('{"__proto__":{"polluted":true}}') as JsonObject,
        nested(500),
        { long: 'x'.repeat(300_000), wide: '€'.repeat(100_000) },
      ]
      const data = values.map((value) => ({ stepId: 'any', data: value }))
      const written = events(stream, data, 'no_stream', 'StepSaved')
      await nodes.store.append(stream, written.slice(0, 6), 'no_stream')
      await nodes.store.append(stream, written.slice(6), 5)
      const stored = await collect(nodes.store.read(stream))
      expect(stored.map((event) => JSON.stringify(event.data))).toEqual(
        data.map((item) => JSON.stringify(item)),
      )
    })

    test('keeps id, type and metadata, and adds where and when', async () => {
      const stream = newStream()
      const [written] = signals(stream, 1)
      const before = Date.now()
      await nodes.store.append(stream, [written!], 'no_stream')
      const [stored] = await collect(nodes.store.read(stream))
      const { position, recordedAt, ...rest } = stored!
      expect(rest).toEqual({ ...written, stream, revision: 0 })
      expect(position).toMatch(/^[1-9]\d*$/)
      expect(recordedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      // A server of its own has a clock of its own.
      expect(Math.abs(Date.parse(recordedAt) - before)).toBeLessThan(60_000)
    })

    test('refuses what no log takes, and goes on working', async () => {
      const stream = newStream()
      const [good] = signals(stream, 1)
      const large = events(stream, [{ stepId: 'a', data: 'x'.repeat(1_048_577) }], 'no_stream', 'StepSaved')
      await expect(
        nodes.store.append(stream, [{ ...good!, id: 'not-a-uuid' }], 'no_stream'),
      ).rejects.toThrow()
      await expect(nodes.store.append(stream, [], 'no_stream')).rejects.toThrow()
      await expect(nodes.store.append(stream, large, 'no_stream')).rejects.toThrow()
      expect(await nodes.store.append(stream, [good!], 'no_stream')).toMatchObject({ ok: true, revision: 0 })
    })

    test('takes an append of nearly 1 MiB', async () => {
      const stream = newStream()
      const large = events(stream, [{ stepId: 'a', data: 'x'.repeat(1_040_000) }], 'no_stream', 'StepSaved')
      expect(await nodes.store.append(stream, large, 'no_stream')).toMatchObject({ ok: true, revision: 0 })
      expect((await collect(nodes.store.read(stream)))[0]!.data).toEqual(large[0]!.data)
    })

    test('of many writers that expect the same, on two nodes, one wins each revision', async () => {
      const stream = newStream()
      await nodes.store.append(stream, signals(stream, 1), 'no_stream')
      for (let revision = 0; revision < 8; revision++) {
        const outcomes = await Promise.all(
          Array.from({ length: 24 }, (_, n) =>
            (n % 2 === 0 ? nodes.store : nodes.other).append(stream, signals(stream, 1), revision),
          ),
        )
        expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
        for (const outcome of outcomes) if (!outcome.ok) expect(outcome.actual).toBe(revision + 1)
      }
      expect(revisions(await collect(nodes.store.read(stream)))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    })
  })

  describe('appendMany', () => {
    test('gives each its own verdict, in the order given', async () => {
      const [fresh, known, wrong, repeated] = [newStream(), newStream(), newStream(), newStream()]
      await nodes.store.append(known, signals(known, 2), 'no_stream')
      const before = signals(repeated, 2)
      const first = await nodes.store.append(repeated, before, 'no_stream')
      const verdicts = await nodes.store.appendMany([
        { stream: fresh, events: signals(fresh, 2), expected: 'no_stream' },
        { stream: wrong, events: signals(wrong, 1), expected: 4 },
        { stream: known, events: signals(known, 3), expected: 1 },
        { stream: repeated, events: before, expected: 'no_stream' },
      ])
      expect(verdicts).toMatchObject([
        { ok: true, revision: 1 },
        { ok: false, actual: 'no_stream' },
        { ok: true, revision: 4 },
        {},
      ])
      expect(first).toMatchObject(verdicts[3]!)
      for (const [index, stream] of [
        [0, fresh],
        [2, known],
      ] as const)
        expect((await collect(nodes.store.read(stream))).at(-1)!.position).toBe(position(verdicts[index]!))
    })

    test('takes thousands at once, each stream as it was given, and a repeat of all adds nothing', async () => {
      const start = await nodes.store.head()
      const appends = Array.from({ length: 700 }, (_, n) => {
        const stream = newStream()
        return { stream, events: signals(stream, 1 + (n % 5)), expected: 'no_stream' as const }
      })
      const verdicts = await nodes.store.appendMany(appends)
      expect(verdicts.map((verdict) => verdict.ok && verdict.revision)).toEqual(
        appends.map(({ events }) => events.length - 1),
      )
      expect(verdicts).toMatchObject(await nodes.store.appendMany(appends))
      const written = new Set(appends.map(({ stream }) => stream))
      const stored = (await readAllOf(nodes.store, { from: start })).filter(({ stream }) =>
        written.has(stream),
      )
      const byStream = Map.groupBy(stored, ({ stream }) => stream)
      for (const { stream, events } of appends) expect(ids(byStream.get(stream)!)).toEqual(ids(events))
      expect(stored).toHaveLength(2100)
      const last = stored.find(({ stream, revision }) => stream === appends[4]!.stream && revision === 4)
      expect(last!.position).toBe(position(verdicts[4]!))
      expect(last!.data).toEqual(signal(4))
    })

    test.each([[[7]], [[0, 19, 20, 49]]])(
      'takes a thousand at once of which %j are refused',
      async (wrong) => {
        const start = await nodes.store.head()
        const appends = Array.from({ length: 50 }, (_, n) => {
          const stream = newStream()
          const expected = wrong.includes(n) ? 5 : ('no_stream' as const)
          return { stream, events: signals(stream, 20), expected }
        })
        const verdicts = await nodes.store.appendMany(appends)
        expect(verdicts.map(({ ok }) => ok)).toEqual(appends.map((_, n) => !wrong.includes(n)))
        const written = new Set(appends.map(({ stream }) => stream))
        const stored = (await readAllOf(nodes.store, { from: start })).filter(({ stream }) =>
          written.has(stream),
        )
        expect(stored).toHaveLength((50 - wrong.length) * 20)
        for (const [n, { stream }] of appends.entries()) {
          const found = await collect(nodes.store.read(stream))
          expect(found).toHaveLength(wrong.includes(n) ? 0 : 20)
          const verdict = verdicts[n]!
          if (verdict.ok) expect(found.at(-1)).toMatchObject({ revision: 19, position: verdict.position })
        }
      },
    )

    test('nothing given, nothing done', async () => {
      expect(await nodes.store.appendMany([])).toEqual([])
    })
  })

  describe('close', () => {
    test('ends followers, lets appends that were sent finish, and takes no more', async () => {
      const node = await nodes.open()
      const stream = newStream()
      const followed = collect(node.follow({ from: await node.head(), signal: new AbortController().signal }))
      const sent = node.append(stream, signals(stream, 1), 'no_stream')
      const closed = node.close()
      expect(await sent).toMatchObject({ ok: true })
      await closed
      await followed
      await expect(node.append(stream, signals(stream, 1), 0)).rejects.toThrow(EventStoreUnavailable)
      await node.close()
    })

    test('an open store answers a ping', async () => {
      await expect(nodes.store.ping()).resolves.toBeUndefined()
    })
  })
}

function position(result: AppendResult): string {
  if (!result.ok) throw new Error(`Refused: the stream is at ${result.actual}`)
  return result.position
}

function nested(depth: number): JsonObject {
  let value: JsonObject = { id: randomUUID() }
  for (let i = 0; i < depth; i++) value = { [i % 2 === 0 ? 'a' : 'b']: i % 3 === 0 ? [value] : value }
  return value
}
