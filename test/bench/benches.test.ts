import { spawn } from 'node:child_process'
import { beforeAll, expect, inject, test } from 'vitest'

/** What `node bench/main.ts` with these arguments came to. */
interface Ran {
  readonly code: number | null
  readonly said: string
  readonly complained: string
}

async function bench(...args: string[]): Promise<Ran> {
  const running = spawn(process.execPath, ['bench/main.ts', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, EVENTSTORE_URL: '', BENCH_POSTGRES_URL: inject('postgres') },
  })
  let said = ''
  let complained = ''
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  running.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained += text
  })
  const code = await new Promise<number | null>((done) => running.on('close', done))
  return { code, said, complained }
}

const { said: help } = await bench('--help')
const names = /^Benches: (.+)$/m.exec(help)![1]!.split(', ')
const ran = new Map<string, Promise<Ran>>()

beforeAll(() => {
  // Two at a time: much of a bench is waiting for its processes.
  const turns = [Promise.resolve(), Promise.resolve()]
  names.forEach((name, n) => {
    const turn = turns[n % 2]!.then(() => bench(name, '--quick'))
    ran.set(name, turn)
    turns[n % 2] = turn.then(() => {})
  })
})

test.each(names)(
  'the bench %s runs in its quick form and prints its table',
  { timeout: 240_000 },
  async (name) => {
    const { code, said, complained } = await ran.get(name)!
    expect({ code, complained: code === 0 ? '' : complained }).toEqual({ code: 0, complained: '' })
    const [, , title, header, ...rows] = said.split('\n').filter((line, n) => n < 3 || line !== '')
    expect([title, header]).toEqual([name, expect.stringMatching(/ours .*beside it .*target/)])
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row).toMatch(/ [\d,.]+ \S+/)
    expect(said).not.toMatch(/NaN|undefined|^→ /m)
  },
)
