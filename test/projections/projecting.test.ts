import { expect, test } from 'vitest'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { sessions } from '../../src/projections/sessions.ts'
import type { Happening } from './support/histories.ts'
import { freshLog, projectAll, tell } from './support/readModels.ts'

test('who has much to catch up on lets the rest of the process go on after each page', async () => {
  const log = await freshLog()
  const started = { flowId: 'welcome', flowVersion: 1, userId: null, context: {} }
  await tell(
    log.store,
    Array.from(
      { length: 1000 },
      (_, n): Happening => ({
        tenant: 'acme',
        session: `s${n}`,
        event: { type: 'SessionStarted', data: started },
        occurredAt: '2026-01-01T00:00:00.000Z',
      }),
    ),
  )
  let folded = 0
  let most = 0
  const counted: AnyProjection = {
    ...sessions,
    name: 'counted',
    evolve: (row, event, parent) => {
      folded += 1
      most = Math.max(most, folded)
      return sessions.evolve(row, event, parent)
    },
  }
  let done = false
  const goOn = () => {
    folded = 0
    if (!done) setImmediate(goOn)
  }
  goOn()
  await projectAll(log, { projections: [counted], tuning: { pageSize: 50 } })
  done = true
  expect(most).toBe(50)
})
