import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestService, type TestService } from './support/service.ts'

const run = promisify(execFile)
let service: TestService
beforeAll(async () => {
  service = await startTestService()
})
afterAll(() => service.stop())

test('the session told in the README happens as it is told', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const told = [...readme.matchAll(/```sh\n(.*?)```(?:\n```json\n(.*?)```)?/gs)]
  expect(told.length).toBeGreaterThanOrEqual(6)
  const known: Record<string, string> = {}
  for (const [, command, answer] of told) {
    const text = command!.replaceAll('http://localhost:3000', service.url)
    const assigns = /^(\w+)=\$\((.*)\)\s*$/s.exec(text)
    const { stdout } = await run('bash', ['-c', assigns ? assigns[2]! : text], {
      cwd: new URL('..', import.meta.url),
      env: { ...process.env, JWT_SECRET: service.jwtSecret, ...known },
    })
    if (assigns) known[assigns[1]!] = stdout.trim()
    if (!answer) continue
    const got = JSON.parse(stdout)
    expect(got, command).toMatchObject(expected(JSON.parse(answer)) as object)
    if (got.id) known.SESSION = got.id
  }
})

/** `…` in the README stands for any text. */
function expected(value: unknown): unknown {
  if (value === '…') return expect.any(String)
  if (Array.isArray(value))
    return value.some((item) => JSON.stringify(item).includes('…'))
      ? expect.arrayContaining(value.map(expected))
      : value.map(expected)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, expected(inner)]))
  return value
}
