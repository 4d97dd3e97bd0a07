import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { MEMORY_SETTINGS } from '../../src/memorySettings.ts'

/** Says of each start of Node which process it is, and what it finds in its environment. */
const telling = `data:text/javascript,${encodeURIComponent(
  `console.log(process.pid, ...${JSON.stringify(Object.keys(MEMORY_SETTINGS))}.map((name) => process.env[name] ?? 'none'))`,
)}`

function started(environment: Record<string, string>) {
  const env = { ...process.env, PORT: 'not a port', ...environment }
  const { status, pid, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', telling, 'scripts/start.ts'],
    { env, encoding: 'utf8' },
  )
  return { status, stderr, told: stdout.replaceAll(String(pid), 'it').trim().split('\n') }
}

test.skipIf(process.platform !== 'linux')(
  'npm start becomes the service, as the same process with its memory settings',
  () => {
    const { status, stderr, told } = started({})
    expect(told).toEqual(['it none none', `it ${Object.values(MEMORY_SETTINGS).join(' ')}`])
    expect(status).toBe(2)
    expect(stderr).toMatch(/^The configuration has faults:\n {2}PORT/)
  },
)

test('npm start leaves memory settings of one’s own as they are', () => {
  const { status, told } = started({ MALLOC_ARENA_MAX: '7' })
  expect(told).toEqual(['it 7 none'])
  expect(status).toBe(2)
})
