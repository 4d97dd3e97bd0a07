import { expect, test } from 'vitest'
import { ColumnarIndex } from '../../../src/analysis/columns/columnarIndex.ts'
import { columnsOf, indexOf, type Saved } from '../../../src/analysis/columns/indexState.ts'
import { queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
import { analysisEvent, type Happened, random, randomHistories, sourceOf } from '../support/histories.ts'

const WHATS = ['a', 'b', 'c', 'step:s']

function histories(seed: number, sessions: number): Happened[] {
  const draw = random(seed)
  return randomHistories(draw, { sessions, whats: WHATS, span: 50 }).map((event) =>
    draw.chance(0.2)
      ? { ...event, what: '!AttributesRecorded', properties: { attributes: { plan: `p${draw.below(3)}` } } }
      : event,
  )
}

const bytesOf = (column: Saved) => {
  const shared = new Uint8Array(new SharedArrayBuffer(column.byteLength))
  shared.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength))
  return shared
}

const QUERIES = (['session', 'user'] as const).flatMap((unit) => [
  { unit, steps: [{ signal: 'a' }, { signal: 'b' }, { step: 's' }], breakdown: { attribute: 'plan' } },
  {
    unit,
    steps: [{ signal: 'a', where: 'properties.p == 1' }, { any: true }],
    entry: 'any',
    window: 'PT0.02S',
  },
])

function answers(index: ColumnarIndex) {
  return QUERIES.map((query) => {
    const outcome = queryFunnel(query, { ...sourceOf([]), index })
    if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
    const { steps, breakdowns, asOfPosition } = outcome.answer
    return {
      steps,
      breakdowns: breakdowns.toSorted((a, b) => (String(a.value) < String(b.value) ? -1 : 1)),
      asOfPosition,
    }
  })
}

test('an index that is asked in between answers as one filled at once', () => {
  for (let seed = 0; seed < 20; seed++) {
    const draw = random(seed)
    const events = histories(seed, 150)
    const index = new ColumnarIndex()
    for (const [row, event] of events.entries()) {
      index.append(analysisEvent(event, row))
      if (draw.chance(0.15)) index.view(draw.pick(['session', 'user']))
    }
    expect(answers(index)).toEqual(answers(sourceOf(events).index))
  }
})

test('a view stays as it was while events come in', () => {
  const events = histories(1, 50)
  const index = new ColumnarIndex()
  for (const [row, event] of events.slice(0, 100).entries()) index.append(analysisEvent(event, row))
  const view = index.view('session')
  const before = JSON.stringify(view.runs)
  for (const [row, event] of events.slice(100).entries()) index.append(analysisEvent(event, row + 100))
  index.view('session')
  expect(JSON.stringify(view.runs)).toBe(before)
})

test('a session given to another user moves with its events', () => {
  const a = { session: 's1', user: 'ann', at: 1, what: 'a' }
  const b = { session: 's2', user: 'bob', at: 2, what: 'b' }
  const moved = { session: 's2', user: 'ann', at: 3, what: '!AttributesRecorded' }
  const query = { unit: 'user', steps: [{ signal: 'a' }, { signal: 'b' }] }
  const counts = (events: Happened[]) => {
    const outcome = queryFunnel(query, sourceOf(events))
    return 'answer' in outcome ? outcome.answer.steps.map(({ count }) => count) : outcome
  }
  expect(counts([a, b])).toEqual([1, 0])
  expect(counts([a, b, moved])).toEqual([1, 1])
})

test('a saved index answers as before, goes on from its position, and tells its memory', () => {
  const events = histories(3, 400)
  const half = events.length >> 1
  const index = new ColumnarIndex()
  for (const [row, event] of events.slice(0, half).entries()) index.append(analysisEvent(event, row))
  const { state, columns } = columnsOf(index)
  const loaded = indexOf(JSON.parse(JSON.stringify(state)), columns.map(bytesOf))
  expect(loaded.position).toBe(index.position)
  expect(answers(loaded)).toEqual(answers(index))
  for (const [row, event] of events.slice(half).entries()) loaded.append(analysisEvent(event, row + half))
  expect(answers(loaded)).toEqual(answers(sourceOf(events).index))
  expect(loaded.memory().events).toBeGreaterThan(events.length * 20)
})

test('a hundred thousand events take less than 40 bytes each before attributes', () => {
  const index = new ColumnarIndex()
  for (let row = 0; row < 100_000; row++) {
    const session = `0190a6c2-7f3b-7e2a-9c41-${String(Math.floor(row / 10)).padStart(12, '0')}`
    index.append(analysisEvent({ session, at: row, what: `step:${row % 10}` }, row))
  }
  index.view('session')
  expect(index.memory().perEvent).toBeLessThan(40)
})
