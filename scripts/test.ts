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

interface Counts {
  passed: number
  failed: number
  skipped: number
}

const folder = await mkdtemp(join(tmpdir(), 'gangway-test-'))
const named = process.argv.slice(2)
// Counting what ran slows computation down up to six times, so only the tests of what is to be covered run with it.
const runs =
  named.length > 0
    ? [named]
    : [
        ['--coverage', 'test/domain/'],
        ['--exclude', 'test/domain/**'],
      ]
const total: Counts = { passed: 0, failed: 0, skipped: 0 }
for (const args of runs) {
  const { passed, failed, skipped } = await vitest(args)
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
}
await rm(folder, { recursive: true, force: true })
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exit(total.failed === 0 ? 0 : 1)

async function vitest(args: readonly string[]): Promise<Counts> {
  const report = join(folder, 'report.json')
  const started = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=default', '--reporter=json']
  const code = await new Promise<number>((done) => {
    const running = spawn(process.execPath, [...started, `--outputFile.json=${report}`, ...args], {
      stdio: 'inherit',
    })
    running.on('exit', (status) => done(status ?? 1))
  })
  const failed = code === 0 ? 0 : 1
  try {
    const result = JSON.parse(await readFile(report, 'utf8')) as JsonReport
    return {
      passed: result.numPassedTests,
      failed: Math.max(failed, result.numFailedTests),
      skipped: result.numPendingTests + result.numTodoTests,
    }
  } catch (error) {
    console.error(`The test report could not be read: ${(error as Error).message}`)
    return { passed: 0, failed: 1, skipped: 0 }
  } finally {
    // A run that ends without a report must not be counted by the one before it.
    await rm(report, { force: true })
  }
}
