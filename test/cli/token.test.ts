import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTokenVerifier } from '../../src/api/auth.ts'
import { embeddedJwtSecret } from '../../src/services/jwtSecret.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gangway-token-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const environment = { PATH: process.env.PATH, HOME: folder, DATA_DIR: folder, ...env }
  return new Promise((resolve) => {
    execFile(command, args, { env: environment }, (error, stdout, stderr) =>
      resolve({ code: error ? ((error.code as unknown as number) ?? 1) : 0, stdout, stderr }),
    )
  })
}

const token = (args: readonly string[], env?: Record<string, string>) =>
  run(process.execPath, ['src/cli/token.ts', ...args], env)
const ann = ['--tenant', 'acme', '--sub', 'ann', '--roles', 'participant,member']

test('npm run token prints a token that the service takes, and nothing else', async () => {
  const { code, stdout } = await run('npm', ['run', 'token', '--', ...ann])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
  const verify = createTokenVerifier({ jwtSecret: await embeddedJwtSecret(folder) })
  expect(await verify(stdout.trim())).toMatchObject({
    sub: 'ann',
    tenant: 'acme',
    roles: ['member', 'participant'],
  })
})

test('the secret is made once, for its owner alone, also by two who come at once', async () => {
  const fresh = join(folder, 'fresh')
  const secrets = await Promise.all(Array.from({ length: 8 }, () => embeddedJwtSecret(fresh)))
  expect(new Set(secrets).size).toBe(1)
  expect(secrets[0]!.length).toBeGreaterThanOrEqual(64)
  expect((await stat(join(fresh, 'jwt-secret'))).mode & 0o777).toBe(0o600)
})

test('JWT_SECRET signs and JWT_EXPIRES_IN ends it', async () => {
  const secret = 'a configured secret of enough bytes'
  const { stdout } = await token(ann, { JWT_SECRET: secret, JWT_EXPIRES_IN: '15m' })
  const caller = await createTokenVerifier({ jwtSecret: secret })(stdout.trim())
  if ('invalid' in caller) throw new Error(caller.invalid)
  expect(caller.expiresAt - Date.now() / 1000).toBeGreaterThan(880)
  expect(caller.expiresAt - Date.now() / 1000).toBeLessThanOrEqual(900)
})

test.each([
  ['a missing option', ['--tenant', 'acme', '--sub', 'ann'], {}, /--roles is missing/],
  ['a role there is not', ['--tenant', 'a', '--sub', 'b', '--roles', 'boss'], {}, /There is no role "boss"/],
  ['a word too many', [...ann, 'please'], {}, /one word too many/],
  ['a wrong setting', ann, { JWT_SECRET: 'short' }, /JWT_SECRET must be at least 32 bytes/],
  ['keys kept elsewhere', ann, { JWKS_URL: 'https://id.example.com/keys' }, /JWKS_URL/],
])('%s is one clear line and no token', async (_, args, env, line) => {
  const { code, stdout, stderr } = await token(args, env)
  expect(code).not.toBe(0)
  expect(stdout).toBe('')
  expect(stderr).toMatch(line)
})

test('--help tells how', async () => {
  const { code, stdout } = await token(['--help'])
  expect(code).toBe(0)
  expect(stdout).toContain('--tenant T')
})
