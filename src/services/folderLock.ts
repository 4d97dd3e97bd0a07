import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Runs `work` while this process alone holds the lock file, waiting up to `waitMs` for another holder. The lock is SQLite's own
 * (the operating system's record lock), so it falls with the process that held it, however that ended: there is no stale lock.
 */
export async function withFileLock<T>(file: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(file, { timeout: 0 })
  try {
    const deadline = Date.now() + waitMs
    while (!tryLock(lock)) {
      if (Date.now() > deadline) throw new Error(`Another process has held ${file} for ${waitMs / 1000} s.`)
      await delay(20)
    }
    return await work()
  } finally {
    lock.close()
  }
}

function tryLock(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (SQLITE_BUSY.has((error as { errcode?: number }).errcode ?? 0)) return false
    throw error
  }
}

/** SQLITE_BUSY and its recovery variant. */
const SQLITE_BUSY = new Set([5, 261])
