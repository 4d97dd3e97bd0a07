import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { readModels } from '../../src/projections/readModels.ts'
import { steps } from '../../src/projections/steps.ts'
import { contents, type FreshLog, freshLog, projectAll } from '../projections/support/readModels.ts'
import { record } from '../support/log.ts'

async function run({ connectionString }: FreshLog, command: string, ...args: string[]) {
  const child = spawn(process.execPath, [`src/cli/${command}.ts`, ...args], {
    env: { ...process.env, DATABASE_URL: connectionString, EVENTSTORE_URL: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((done) => child.once('exit', done))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { stdout, stderr, code }
}

async function someLog(projections: readonly AnyProjection[] = readModels) {
  const log = await freshLog()
  const started = { flowId: 'welcome', flowVersion: 1, userId: 'ada', context: {} }
  await record(log.store, 'acme', 's1', [
    { type: 'SessionStarted', data: started },
    { type: 'StepCompleted', data: { stepId: 'a', data: null } },
    { type: 'SessionCompleted', data: {} },
  ])
  await projectAll(log, { projections })
  return log
}

describe('npm run rebuild', () => {
  test('builds every read model anew, and says that nothing has changed', async () => {
    const log = await someLog()
    const before = await contents(log.connectionString)
    const { stdout, stderr, code } = await run(log, 'rebuild')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^sessions: 3 events in .* s, in place since position 3$/m)
    expect(stdout).toMatch(/^ {2}steps: 1 rows, the same as before \([0-9a-f]{16}\)$/m)
    expect(await contents(log.connectionString)).toEqual(before)
  })

  test('names the rows that came out differently', async () => {
    const log = await someLog()
    await log.pool.query(`update read.steps set submitted = 7`)
    const { stdout, code } = await run(log, 'rebuild', 'steps')
    expect(code).toBe(1)
    expect(stdout).toContain('steps: 1 rows differ; 1 before, 1 now\n    acme s1 a\n')
  })

  test('knows which read models there are', async () => {
    const { stderr, code } = await run(await freshLog(), 'rebuild', 'nothing')
    expect([stderr, code]).toEqual([
      expect.stringMatching(/^There is no read model "nothing"\. There are: sessions, .*\.\n$/),
      2,
    ])
  })
})

describe('npm run parked', () => {
  const mistaken = readModels.map((one) =>
    one === (steps as AnyProjection)
      ? {
          ...steps,
          evolve: () => {
            throw new Error('a mistake')
          },
        }
      : one,
  )
  const parkedLog = () => someLog(mistaken as AnyProjection[])

  test('lists what waits and how to go on', async () => {
    const { stdout, code } = await run(await parkedLog(), 'parked')
    expect(code).toBe(0)
    expect(stdout).toContain(`sessions ["acme","s1"]\n`)
    expect(stdout).toContain(
      ': a mistake\n  at StepCompleted, revision 1 of session-acme_s1, position 2\n  2 events wait\n',
    )
    expect(stdout).toContain(`npm run parked -- drop sessions '["acme","s1"]'`)
  })

  test('applies what waits once the cause is mended', async () => {
    const log = await parkedLog()
    expect(await run(log, 'parked', 'retry', 'steps', '["acme","s1"]')).toEqual({
      stdout: 'sessions ["acme","s1"]: 2 applied\n',
      stderr: '',
      code: 0,
    })
    expect(await run(log, 'parked')).toMatchObject({ stdout: 'Nothing is parked.\n', code: 0 })
    expect((await log.pool.query('select status from read.sessions')).rows).toEqual([{ status: 'completed' }])
  })

  test('drops what waits only by name', async () => {
    const log = await parkedLog()
    expect(await run(log, 'parked', 'drop')).toMatchObject({ code: 2 })
    expect(await run(log, 'parked', 'drop', 'sessions', '["acme","s1"]')).toMatchObject({
      stdout: 'sessions ["acme","s1"]: 2 dropped\n',
      code: 0,
    })
  })
})
