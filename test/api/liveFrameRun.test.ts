import { expect, test } from 'vitest'
import { frameRuns } from '../../src/api/liveFrameRun.ts'
import type { StoredEvent } from '../../src/domain/envelope.ts'

const STREAM = 'session-acme_s1'
const event = (revision: number, text = '') =>
  ({
    id: crypto.randomUUID(),
    type: 'SignalTracked',
    stream: STREAM,
    revision,
    position: String(100 + revision),
    data: { signal: 'x', properties: { text } },
    metadata: { tenant: 'acme', actor: { id: 'ada', role: 'participant' }, v: 1 },
  }) as unknown as StoredEvent

const runsOf = (...events: StoredEvent[]) => frameRuns(STREAM, events)
const seqs = (run: { texts: { each: readonly Buffer[] } } | undefined) =>
  run?.texts.each.map((text) => JSON.parse(String(text)).seq)

test('events that follow on each other are one run', () => {
  const [run, ...more] = runsOf(event(3), event(4), event(5))
  expect(more).toEqual([])
  expect([run!.first, run!.last, seqs(run)]).toEqual([3, 5, [3, 4, 5]])
})

test('where a revision is missing, another run begins', () => {
  const runs = runsOf(event(3), event(4), event(6))
  expect(runs.map((run) => [run.first, run.last])).toEqual([
    [3, 4],
    [6, 6],
  ])
})

test('large events are runs of some ten thousand bytes, one that is larger a run of its own', () => {
  const large = 'x'.repeat(30_000)
  const runs = runsOf(
    event(0, large),
    event(1, large),
    event(2, large),
    event(3, 'x'.repeat(100_000)),
    event(4, large),
    event(5),
  )
  expect(runs.map(seqs)).toEqual([[0, 1], [2], [3], [4, 5]])
  expect(runs.map(({ texts }) => texts.bytes <= 64 * 1024)).toEqual([true, true, false, true])
})

test('a run gives what comes right after a revision', () => {
  const [run] = runsOf(event(3), event(4), event(5))
  expect(run!.after(2)).toBe(run)
  expect(seqs(run!.after(3))).toEqual([4, 5])
  expect(seqs(run!.after(4))).toEqual([5])
  expect(run!.after(1)).toBeUndefined()
})

test('no events are no run', () => expect(runsOf()).toEqual([]))
