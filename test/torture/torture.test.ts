import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** Under three minutes with start, last questions, reconnects and overload. */
const MINUTES = Number(process.env.GANGWAY_TORTURE_MINUTES ?? 1.25)
const SEED = process.env.GANGWAY_TORTURE_SEED ?? '11'

function torture(...options: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text) => {
        output += text
      })
    child.on('exit', (code) => done({ code, output }))
  })
}

test('what must hold holds while processes, the database, disks and networks fail', {
  timeout: (MINUTES + 6) * 60_000,
}, async () => {
  const { code, output } = await torture('--seed', SEED, '--minutes', String(MINUTES))
  expect(output).toContain('Nothing that must hold was broken')
  expect(code).toBe(0)
})
