import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

/** A bench with a PostgreSQL of its own, which runs when this answers; `folder` is where temporary folders go. */
async function bench(folder: string): Promise<{ running: ChildProcess; postgres: number }> {
  const { BENCH_POSTGRES_URL: _, ...env } = process.env
  const running = spawn(process.execPath, ['bench/main.ts', 'append', '--quick'], {
    stdio: 'ignore',
    env: { ...env, EVENTSTORE_URL: '', TMPDIR: folder },
  })
  onTestFinished(() => void running.kill('SIGKILL'))
  const postgres = await expect
    .poll(() => postmaster(folder, running.pid!), { timeout: 60_000 })
    .toBeGreaterThan(0)
    .then(() => postmaster(folder, running.pid!))
  return { running, postgres }
}

/** The pid of the PostgreSQL of a process that is ready; 0 where there is none. */
async function postmaster(folder: string, owner: number): Promise<number> {
  const own = (await readdir(folder)).find((name) => name.startsWith(`gangway-bench-${owner}-`))
  if (!own) return 0
  const files = await readdir(join(folder, own), { recursive: true }).catch(() => [])
  const file = files.find((name) => name.endsWith('/postmaster.pid'))
  if (!file) return 0
  const lines = (await readFile(join(folder, own, file), 'utf8').catch(() => '')).split('\n')
  return lines[7]?.trim() === 'ready' ? Number(lines[0]) : 0
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gangway-scratch-'))
  // PostgreSQL may run as another user.
  await chmod(folder, 0o711)
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 100, retryDelay: 20 }))
  return folder
}

test.each(['SIGTERM', 'SIGINT'] as const)('a bench ended by %s leaves nothing', async (signal) => {
  const folder = await temporary()
  const { running, postgres } = await bench(folder)
  running.kill(signal)
  await once(running, 'exit')
  await expect.poll(() => isAlive(postgres), { timeout: 10_000 }).toBe(false)
  expect(await readdir(folder)).toEqual([])
})

test('what a bench left that was killed goes with the next one', async () => {
  const folder = await temporary()
  const killed = await bench(folder)
  killed.running.kill('SIGKILL')
  await once(killed.running, 'exit')
  const next = await bench(folder)
  await expect.poll(() => isAlive(killed.postgres), { timeout: 10_000 }).toBe(false)
  expect(await readdir(folder)).toEqual([expect.stringContaining(`-${next.running.pid}-`)])
  next.running.kill('SIGTERM')
  await once(next.running, 'exit')
  expect(await readdir(folder)).toEqual([])
})
