import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const main = join(import.meta.dirname, 'main.ts')

function torture(...options: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [main, '--quick', ...options], {
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

test('what must hold holds while nodes and the database die and networks break', {
  timeout: 150_000,
}, async () => {
  const faults = 'node killed,postgres killed,client network reset mid-answer,database connections lost'
  const { code, output } = await torture('--seed', '11', '--fault', faults)
  expect(output).toContain('Nothing that must hold was broken')
  expect(code).toBe(0)
})
