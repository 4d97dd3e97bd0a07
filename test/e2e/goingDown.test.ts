import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startTestService } from '../support/service.ts'

test('a node that goes down answers what is under way, and tells its sockets', {
  timeout: 30_000,
}, async () => {
  const service = await startTestService()
  const admin = await service.as('acme', 'ada', 'admin')
  const flow = { id: 'past', title: 'Past', steps: [{ id: 'a', title: 'A', kind: 'form' }] }
  expect((await admin.post('/flows', flow)).status).toBe(201)
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/onboarding`, {
    headers: { authorization: `Bearer ${admin.token}` },
  })
  await once(socket, 'open')
  const closed = once(socket, 'close')
  const line = (n: number) =>
    Buffer.from(`${JSON.stringify({ session: 's', step: 'a', at: `2020-01-0${n}T00:00:00.000Z` })}\n`)
  let stopping: Promise<void> | undefined
  async function* body() {
    yield line(1)
    await delay(300)
    stopping = service.stop()
    await delay(300)
    yield line(2)
  }
  const imported = await admin.importLines('past', body())
  expect(imported).toMatchObject({ status: 200, body: { rows: 2, sessions: 1, rejected: [] } })
  const [code, reason] = await closed
  expect([code, String(reason)]).toEqual([1001, 'shutting_down'])
  await stopping
  await expect(admin.get('/health/live')).rejects.toThrow()
})
