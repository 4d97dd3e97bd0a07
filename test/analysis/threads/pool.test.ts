import { afterAll, expect, test } from 'vitest'
import { prepareFunnel, queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
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
