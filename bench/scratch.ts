import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isPostmasterOf } from '../src/services/postgresCluster.ts'

const OF_PROCESS = /^gangway-bench-(\d+)-/

/**
 * Makes a folder that is the temporary one for this process and those it starts, and takes it away, with every PostgreSQL that runs
 * in it, when this process ends, be it by a signal. Nobody can do so on SIGKILL: what such a process left is taken away now.
 */
export function useScratch(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = Number(OF_PROCESS.exec(name)?.[1])
    if (owner && !isAlive(owner)) clear(join(tmpdir(), name))
  }
  const folder = mkdtempSync(join(tmpdir(), `gangway-bench-${process.pid}-`))
  // PostgreSQL may run as another user.
  chmodSync(folder, 0o711)
  process.env.TMPDIR = folder
  process.on('exit', () => clear(folder))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Waits for it, too: an ending process does nothing else any more. */
function clear(folder: string): void {
  try {
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (file.endsWith('/postmaster.pid')) stopPostgres(join(folder, file))
    rmSync(folder, { recursive: true, force: true, maxRetries: 100, retryDelay: 20 })
  } catch (error) {
    console.error(`${folder} could not be removed: ${(error as Error).message}`)
  }
}

/** At once and without a checkpoint: its data is thrown away. It takes its file of the pid with it. */
function stopPostgres(pidFile: string): void {
  const pidIn = () => {
    try {
      return Number(readFileSync(pidFile, 'utf8').split('\n')[0])
    } catch {
      return 0
    }
  }
  const pid = pidIn()
  if (!pid || !isPostmasterOf(pid, dirname(pidFile))) return
  process.kill(pid, 'SIGQUIT')
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; waited < 5000 && pidIn() === pid; waited += 10) Atomics.wait(pause, 0, 0, 10)
}
