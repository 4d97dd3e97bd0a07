import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, test } from 'vitest'
import { type FunnelCounts, mergeCounts } from '../../../src/analysis/funnel/execute.ts'
import { prepareFunnel, queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
import { piecesOf } from '../../../src/analysis/plan/pieces.ts'
import { prepareRetention, queryRetention } from '../../../src/analysis/retention/retention.ts'
import { startPool } from '../../../src/analysis/threads/pool.ts'
import { random, randomHistories, sourceOf } from '../support/histories.ts'

const pool = startPool(3, 1)
afterAll(() => pool.close())

const events = randomHistories(random(7), { sessions: 800, whats: ['a', 'b', 'c', 'x'], span: 40 })
const source = sourceOf(events)
const without = ({ computeMs: _, ...answer }: { computeMs: number }) => answer

test('threads count what one thread counts', async () => {
  for (const entry of ['first', 'any']) {
    for (const unit of ['session', 'user']) {
      const query = {
        unit,
        entry,
        window: 'PT0.02S',
        steps: [{ signal: 'a' }, { signal: 'b' }, { signal: 'c' }],
        exclusions: entry === 'any' ? [{ filter: { signal: 'x' }, from: 0, to: 1 }] : [],
      }
      const prepared = prepareFunnel(query, source)
      const alone = queryFunnel(query, source)
      if ('faults' in prepared || 'faults' in alone) throw new Error('faults')
      const together = await pool.funnel(prepared.plan, prepared.answer)
      expect(without(together)).toEqual(without(alone.answer))
    }
  }
})

test('threads count the cohorts that one thread counts', async () => {
  const query = { cohortBy: { signal: 'a' }, returnBy: { any: true }, period: 'day', periods: 3 }
  const prepared = prepareRetention(query, source)
  const alone = queryRetention(query, source)
  if ('faults' in prepared || 'faults' in alone) throw new Error('faults')
  expect(without(prepared.answer(await pool.retention(prepared.plan)))).toEqual(without(alone.answer))
})

test('a closed pool refuses', async () => {
  const closed = startPool(2, 1)
  await closed.close()
  const prepared = prepareFunnel({ steps: [{ signal: 'a' }] }, source)
  if ('faults' in prepared) throw new Error('faults')
  await expect(closed.funnel(prepared.plan, prepared.answer)).rejects.toThrow('closed')
})

describe('the times of a query that is still read are not written over by the next', () => {
  // More than are kept in memory of a query's own; of two steps, so different that any mixture shows.
  const many = sourceOf(
    Array.from({ length: 50_000 }, (_, n) => [
      { session: `s${n}`, at: 0, what: 'a' },
      { session: `s${n}`, at: 1000 + n, what: 'b' },
      { session: `s${n}`, at: 9_000_000 + 2 * n, what: 'c' },
    ]).flat(),
  )
  const asked = (what: string) => {
    const query = { steps: [{ signal: 'a' }, { signal: what }] }
    const prepared = prepareFunnel(query, many)
    const alone = queryFunnel(query, many)
    if ('faults' in prepared || 'faults' in alone) throw new Error('faults')
    return { ...prepared, alone: without(alone.answer) }
  }
  const short = asked('b')
  const long = asked('c')

  test('in the asking thread', async () => {
    const one = startPool(1)
    const answers = await Promise.all([short, long].map(({ plan, answer }) => one.funnel(plan, answer)))
    expect(answers.map(without)).toEqual([short.alone, long.alone])
  })

  test('in a thread of the pool', async () => {
    const worker = new Worker(new URL('../../../src/analysis/threads/worker.ts', import.meta.url))
    try {
      const counts: FunnelCounts[] = []
      for (const [id, { plan }] of [short, long].entries()) {
        worker.postMessage({ id, plan, pieces: piecesOf(1) })
        const [{ result }] = await once(worker, 'message')
        counts.push(result)
      }
      expect(without(short.answer(mergeCounts([counts[0]!])))).toEqual(short.alone)
      expect(without(long.answer(mergeCounts([counts[1]!])))).toEqual(long.alone)
    } finally {
      await worker.terminate()
    }
  })
})
