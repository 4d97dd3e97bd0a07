import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { takeLease } from '../../src/projections/lease.ts'
import { startLeasedSchedule } from '../../src/reactions/leasedSchedule.ts'
import { freshLog, projectAll } from '../projections/support/readModels.ts'

async function leases() {
  const log = await freshLog()
  await projectAll(log)
  return log.pool
}

const scheduleOn = (pool: pg.Pool, work: () => Promise<number>) => {
  const schedule = startLeasedSchedule({
    pool,
    name: 'tidying',
    everyMs: 60_000,
    onError: (error) => {
      throw error
    },
    work,
  })
  onTestFinished(() => schedule.stop())
  return schedule
}

test('the turn of a node that died in the middle of its work falls to another when its lease has run out', async () => {
  const pool = await leases()
  // What a killed process leaves behind: a lease that nobody renews.
  const client = await pool.connect()
  await takeLease(client, 'tidying', crypto.randomUUID())
  client.release()
  const schedule = scheduleOn(pool, async () => 1)
  expect(await schedule.look()).toBe(0)
  await expect.poll(schedule.look, { timeout: 30_000, interval: 100 }).toBe(1)
})

test('of two nodes one works at a time', async () => {
  const pool = await leases()
  let working = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++working)
    await delay(200)
    working -= 1
    return 1
  }
  const [first, second] = [scheduleOn(pool, work), scheduleOn(pool, work)]
  const came = await Promise.all([first.look(), second.look()])
  expect(came.toSorted()).toEqual([0, 1])
  expect(most).toBe(1)
  expect(await second.look()).toBe(1)
})
