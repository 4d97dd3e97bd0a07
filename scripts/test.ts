// `npm test [file …]`: installs nothing by itself, runs Vitest and closes with one plain line that any CI can read.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface JsonReport {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  numFailedTestSuites: number
  success: boolean
  testResults: {
    status: string
    name: string
    message: string
    assertionResults: { status: string; fullName: string }[]
  }[]
}

const folder = await mkdtemp(join(tmpdir(), 'gangway-test-'))
const report = join(folder, 'report.json')
const named = process.argv.slice(2)
const coverage = named.length === 0 ? ['--coverage'] : []
const code = await new Promise<number>((done) => {
  const vitest = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...coverage,
      ...named,
    ],
    { stdio: 'inherit' },
  )
  vitest.on('exit', (status) => done(status ?? 1))
})

let failed = code === 0 ? 0 : 1
let passed = 0
let skipped = 0
try {
  const result = JSON.parse(await readFile(report, 'utf8')) as JsonReport
  passed = result.numPassedTests
  skipped = result.numPendingTests + result.numTodoTests
  failed = Math.max(failed, result.numFailedTests)
} catch (error) {
  console.error(`The test report could not be read: ${(error as Error).message}`)
  failed = Math.max(1, failed)
}
await rm(folder, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed === 0 ? 0 : 1)
