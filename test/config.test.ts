import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from '../src/config.ts'

test('with no environment at all everything has its documented default', () => {
  expect(readConfig({})).toEqual({
    config: {
      host: '127.0.0.1',
      port: 3000,
      dataDir: resolve('.gangway'),
      jwtExpiresIn: 3600,
      rateLimit: 60_000,
      roles: 'all',
      drainSeconds: 5,
      logLevel: 'info',
    },
  })
})

test('every wrong value is named at once, with what would be right', () => {
  const result = readConfig({
    PORT: '70000',
    DATABASE_URL: 'mysql://x',
    JWT_SECRET: 'short',
    JWT_EXPIRES_IN: 'soon',
    FRONTEND_URL: 'app.example.com',
    RATE_LIMIT: '-1',
    ROLES: 'boss',
  })
  expect('faults' in result && result.faults.map((fault) => fault.variable)).toEqual([
    'PORT',
    'DATABASE_URL',
    'JWT_SECRET',
    'JWT_EXPIRES_IN',
    'FRONTEND_URL',
    'RATE_LIMIT',
    'ROLES',
  ])
  expect(JSON.stringify(result)).toContain('must be a whole number from 0 to 65535, not \\"70000\\"')
})

test('an empty variable counts as not set, and durations are read with their unit', () => {
  const result = readConfig({ PORT: '', JWT_EXPIRES_IN: '15m', FRONTEND_URL: 'https://app.example.com/' })
  expect(result).toMatchObject({
    config: { port: 3000, jwtExpiresIn: 900, frontendUrl: 'https://app.example.com' },
  })
})

test('a secret and a key set together are refused: only one of them can be meant', () => {
  const result = readConfig({ JWT_SECRET: 'x'.repeat(32), JWKS_URL: 'https://id.example.com/jwks' })
  expect(result).toMatchObject({ faults: [{ variable: 'JWKS_URL' }] })
})

test('a fault shows no password and no secret', () => {
  const result = readConfig({
    DATABASE_URL: 'mysql://ann:open@sesame@db/x',
    EVENTSTORE_URL: 'http://admin:changeit@log:2113',
    JWT_SECRET: 'hunter2',
  })
  expect(JSON.stringify(result)).not.toMatch(/sesame|changeit|hunter2/)
  expect(JSON.stringify(result)).toContain('mysql://…@db/x')
})
