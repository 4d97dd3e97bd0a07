import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/services/embeddedPostgres.ts'
import { mountSmallDisk } from '../torture/smallDisk.ts'

let parent: string
let dataDir: string
let running: EmbeddedPostgres[]
const start = async (options: { log?: (line: string) => void; durable?: boolean } = {}) => {
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false, ...options })
  running.push(postgres)
  return postgres
}

beforeEach(async () => {
  running = []
  parent = await newFolder()
  dataDir = join(parent, 'data')
})
afterEach(async () => {
  for (const postgres of running) await postgres.stop()
  await rm(parent, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 })
})

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gangway-embedded-'))
  await chmod(folder, 0o755)
  return folder
}

describe('one process', () => {
  let folder: string
  beforeAll(async () => {
    folder = await newFolder()
  })
  beforeEach(() => {
    dataDir = join(folder, 'data')
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('starts a real PostgreSQL in a new folder, stops it whoever is connected, and finds everything again', async () => {
    const first = await start({ durable: true })
    expect(first.shared).toBe(false)
    await query(first, 'create table kept as select 42 as answer')
    const pid = await serverPid()
    // Not a user of the server, and one that would stay for ever.
    const connected = new pg.Client({ connectionString: first.connectionString })
    connected.on('error', () => {})
    await connected.connect()
    await first.stop()
    await gone(pid)
    const again = await start()
    expect(await query(again, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  test('keeps its password for itself, takes no other, and listens on 127.0.0.1 alone', async () => {
    const postgres = await start()
    const { mode } = await stat(join(dataDir, 'postgres.password'))
    expect(mode & 0o777).toBe(0o600)
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o077).toBe(0)
    const wrong = new URL(postgres.connectionString)
    wrong.password = 'guessed'
    await expect(query({ connectionString: wrong.href }, 'select 1')).rejects.toThrow(
      'password authentication',
    )
    expect(await query(postgres, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }])
    expect(await query(postgres, 'show unix_socket_directories')).toEqual([{ unix_socket_directories: '' }])
  })

  test('is durable unless told otherwise', async () => {
    const postgres = await start({ durable: true })
    const settings =
      "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') order by name"
    expect((await query(postgres, settings)).map(({ setting }) => setting)).toEqual(['on', 'on', 'on'])
  })

  test('a server that was killed runs again on the same port, with what it had', async () => {
    const postgres = await start({ durable: true })
    await query(postgres, 'create table also_kept as select 42 as answer')
    process.kill(await serverPid(), 'SIGKILL')
    await expect
      .poll(() => query(postgres, 'select answer from also_kept').catch(() => []), { timeout: 10_000 })
      .toEqual([{ answer: 42 }])
  })

  test('stopped while its server is being started again, it leaves none behind', async () => {
    const postgres = await start({ durable: true })
    const pid = await serverPid()
    process.kill(pid, 'SIGKILL')
    await gone(pid)
    await postgres.stop()
    await delay(300)
    await expect(query(postgres, 'select 1')).rejects.toThrow('ECONNREFUSED')
  })

  test('a pid file that another program’s pid has come into does not hinder it', async () => {
    const postgres = await start()
    const pid = await serverPid()
    await postgres.stop()
    await gone(pid)
    await writeFile(
      join(dataDir, 'postgres/postmaster.pid'),
      `${process.pid}\n${dataDir}/postgres\n1\n5432\n\n127.0.0.1\n\nready\n`,
    )
    expect((await start()).shared).toBe(false)
  })
})

describe('several processes on one folder', () => {
  test('share one server, and the last one out stops it', async () => {
    const first = await start()
    const second = await start()
    expect(second).toMatchObject({ shared: true, connectionString: first.connectionString })
    const pid = await serverPid()
    await first.stop()
    expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }])
    await second.stop()
    await gone(pid)
  })

  test('that start at once on a new folder make one cluster', async () => {
    const all = await Promise.all([childOn(dataDir), childOn(dataDir), start()])
    expect(new Set(all.map(({ connectionString }) => connectionString)).size).toBe(1)
    expect(await query(all[2], 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('one killed with -9 leaves the server to the next, and does not count as a user', async () => {
    const child = await childOn(dataDir)
    await query(child, 'create table kept as select 42 as answer')
    await kill(child.process)
    const next = await start()
    expect(next).toMatchObject({ shared: true, connectionString: child.connectionString })
    expect(await query(next, 'select answer from kept')).toEqual([{ answer: 42 }])
    const pid = await serverPid()
    await next.stop()
    await gone(pid)
  })

  test('starting and stopping all the time, each gets a server that works while it uses it', async () => {
    await Promise.all(
      Array.from({ length: 4 }, async (_, n) => {
        for (let round = 0; round < 3; round++) {
          const postgres = await start()
          expect(await query(postgres, `select ${n} as n`)).toEqual([{ n }])
          await postgres.stop()
        }
      }),
    )
  })
})

describe('a folder that is not as it should be', () => {
  test('a first start killed in the middle of initdb is made good', async () => {
    const child = spawnOn(dataDir)
    while (!(await readdir(dataDir).catch(() => [])).some((name) => name.startsWith('postgres.new-')))
      await delay(5)
    await delay(150)
    await kill(child)
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false)
    const postgres = await start()
    expect(await query(postgres, 'select 1 as one')).toEqual([{ one: 1 }])
    expect((await readdir(dataDir)).filter((name) => name.startsWith('postgres.new'))).toEqual([])
  })

  test('a cluster of another major version is left alone, with what to do', async () => {
    await mkdir(join(dataDir, 'postgres'), { recursive: true })
    await writeFile(join(dataDir, 'postgres/PG_VERSION'), '16\n')
    await writeFile(join(dataDir, 'postgres.password'), 'kept')
    await expect(start()).rejects.toThrow(/made by PostgreSQL 16, and this is 18.*another DATA_DIR/)
    expect(existsSync(join(dataDir, 'postgres/PG_VERSION'))).toBe(true)
  })

  test('a folder of something else is left alone', async () => {
    await mkdir(join(dataDir, 'postgres'), { recursive: true })
    await writeFile(join(dataDir, 'postgres/thesis.txt'), 'years of work')
    await writeFile(join(dataDir, 'postgres.password'), 'kept')
    await expect(start()).rejects.toThrow('is not a PostgreSQL folder')
    expect(await readFile(join(dataDir, 'postgres/thesis.txt'), 'utf8')).toBe('years of work')
  })

  test('a cluster without its password says so', async () => {
    await (await start()).stop()
    await rm(join(dataDir, 'postgres.password'))
    await expect(start()).rejects.toThrow('postgres.password is missing')
  })

  test.skipIf(process.getuid?.() !== 0)(
    'in a closed home folder root keeps the cluster elsewhere, tells where, and finds it again',
    async () => {
      await chmod(parent, 0o700)
      const told: string[] = []
      const postgres = await start({ log: (line) => told.push(line) })
      const place = (await readFile(join(dataDir, 'postgres.location'), 'utf8')).trim()
      onTestFinished(() => rm(place, { recursive: true, force: true }))
      expect(told.join('\n')).toContain(place)
      await query(postgres, 'create table kept as select 42 as answer')
      await postgres.stop()
      expect(await query(await start(), 'select answer from kept')).toEqual([{ answer: 42 }])
    },
  )
})

async function query(to: { connectionString: string }, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: to.connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function serverPid(): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0])
}

/** A process that uses the folder until it is killed. */
function spawnOn(folder: string): ChildProcess {
  const module = new URL('../../src/services/embeddedPostgres.ts', import.meta.url).href
  const program = `import { startEmbeddedPostgres } from ${JSON.stringify(module)}
    const { connectionString } = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(folder)}, durable: false })
    console.log(connectionString)
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => kill(child))
  return child
}

async function childOn(folder: string): Promise<{ process: ChildProcess; connectionString: string }> {
  const child = spawnOn(folder)
  for await (const line of child.stdout!) return { process: child, connectionString: String(line).trim() }
  throw new Error('The process ended without a word')
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await new Promise((done) => child.once('exit', done))
}

/** Answers once the process is no more. */
async function gone(pid: number): Promise<void> {
  await expect
    .poll(
      () => {
        try {
          return process.kill(pid, 0)
        } catch {
          return false
        }
      },
      { timeout: 20_000 },
    )
    .toBe(false)
}

test('a server whose recovery met a full disk runs again once there is room', {
  timeout: 60_000,
}, async (context) => {
  const disk = await mountSmallDisk(parent, 400)
  if (!disk) return context.skip('a disk of its own can only be mounted as root on Linux')
  try {
    dataDir = join(disk.folder, 'data')
    const postgres = await start()
    // What recovery makes again before it comes to where it was dropped.
    await query(postgres, 'checkpoint')
    await query(postgres, 'create table dropped as select generate_series(1, 100000) as n')
    await query(postgres, 'drop table dropped')
    await query(postgres, 'create table kept as select 42 as answer')
    const pid = await serverPid()
    await disk.fill()
    // Its log needs a new segment and gets none: it ends, recovers, and has no room for that either.
    await query(postgres, 'select pg_switch_wal()').catch(() => {})
    await query(postgres, 'create table more as select 1').catch(() => {})
    await delay(1000)
    await disk.free()
    await expect
      .poll(() => query(postgres, 'select answer from kept').catch(() => []), { timeout: 30_000 })
      .toEqual([{ answer: 42 }])
    // It did not merely recover: the one that stood still is gone.
    await gone(pid)
  } finally {
    await Promise.all(running.splice(0).map((postgres) => postgres.stop()))
    await disk.unmount()
  }
})
