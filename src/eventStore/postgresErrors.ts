import { setTimeout as delay } from 'node:timers/promises'

/**
 * SQLSTATE classes after which the same call may well succeed: connection (08), resources such as disk and memory (53), operator
 * intervention and crash (57P), input/output (58), serialisation (40), a statement cancelled by a time-out (57014), a server that
 * takes no writes because it was just demoted (25006).
 */
const PASSING = /^(08|53|57P|58|40|57014|25006)/
const PASSING_SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
])

/** Whether the database, rather than what was asked of it, is to blame, so that asking again is right. */
export function isPassing(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string }
  if (code) return PASSING.test(code) || PASSING_SYSTEM.has(code)
  return /Connection terminated|Client has encountered a connection error|timeout|not queryable|Client was closed/i.test(
    message,
  )
}

/** Milliseconds before the nth retry (from 0): 25 doubling to 1,000, half of it by chance so that nodes do not come back in step. */
export function backoff(attempt: number): number {
  return Math.min(25 * 2 ** attempt, 1000) * (0.5 + Math.random() / 2)
}

/** Asks again while the database is to blame and the deadline (of `performance.now()`, which no change of the clock moves) has not passed; then throws the last error. */
export async function retrying<T>(
  deadline: number,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const wait = backoff(attempt)
      if (!isPassing(error) || performance.now() + wait > deadline || signal?.aborted) throw error
      await delay(wait, undefined, signal ? { signal } : {}).catch(() => {})
    }
  }
}
