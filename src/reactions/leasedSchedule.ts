import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { releaseLease, takeLease } from '../projections/lease.ts'

/** A look every so often, by one node at a time. */
export interface LeasedSchedule {
  /** One look now. Answers what it came to; 0 where another node has the turn. */
  look(): Promise<number>
  stop(): Promise<void>
}

export interface LeasedScheduleOptions {
  readonly pool: pg.Pool
  /** Name of the lease. */
  readonly name: string
  readonly everyMs: number
  readonly onError: (error: unknown) => void
  /** `mine` renews the lease, which runs out in seconds, and says whether to go on. */
  readonly work: (mine: () => Promise<boolean>) => Promise<number>
}

export function startLeasedSchedule(options: LeasedScheduleOptions): LeasedSchedule {
  const { pool, name, everyMs, onError, work } = options
  const holder = randomUUID()
  let stopped = false
  let looking: Promise<number> = Promise.resolve(0)

  const take = async () => {
    const client = await pool.connect()
    try {
      return await takeLease(client, name, holder)
    } finally {
      client.release()
    }
  }
  const letGo = async () => {
    const client = await pool.connect()
    try {
      const lease = await takeLease(client, name, holder)
      if (lease) await releaseLease(client, lease)
    } finally {
      client.release()
    }
  }
  const mine = async () => !stopped && (await take()) !== undefined
  const look = async () => {
    if (!(await mine())) return 0
    try {
      return await work(mine)
    } finally {
      await letGo()
    }
  }
  const next = () => {
    looking = looking
      .then(() => (stopped ? 0 : look()))
      .catch((error) => {
        onError(error)
        return 0
      })
    return looking
  }
  const timer = setInterval(next, everyMs)
  timer.unref()
  return {
    look: next,
    async stop() {
      stopped = true
      clearInterval(timer)
      await looking
    },
  }
}
