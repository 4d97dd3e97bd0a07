import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTokenVerifier, type VerifyToken } from '../../src/api/auth.ts'
import { ProblemError } from '../../src/api/problem.ts'

const rsa = await generateKeyPair('RS256', { extractable: true })
const ec = await generateKeyPair('ES256', { extractable: true })
const stranger = await generateKeyPair('RS256')
let isUp = true
const server = createServer(async (_request, response) => {
  if (!isUp) return response.writeHead(500).end('out')
  const keys = [
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256' },
    { ...(await exportJWK(ec.publicKey)), kid: 'ec', alg: 'ES256' },
  ]
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
})
let jwksUrl: string
let verify: VerifyToken

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  verify = createTokenVerifier({ jwksUrl })
})
afterAll(() => server.close())

const token = (alg: string, kid: string, key: Parameters<SignJWT['sign']>[0]) =>
  new SignJWT({ sub: 'ann', tenant: 'acme', roles: ['member'], exp: Math.floor(Date.now() / 1000) + 60 })
    .setProtectedHeader({ alg, kid })
    .sign(key)

test('tokens of the keys in the set are good', async () => {
  for (const made of [await token('RS256', 'rsa', rsa.privateKey), await token('ES256', 'ec', ec.privateKey)])
    expect(await verify(made)).toMatchObject({ sub: 'ann', tenant: 'acme', roles: ['member'] })
})

test('a key that is not in the set, or another one under its name, opens nothing', async () => {
  expect(await verify(await token('RS256', 'other', stranger.privateKey))).toHaveProperty('invalid')
  expect(await verify(await token('RS256', 'rsa', stranger.privateKey))).toHaveProperty('invalid')
})

test('a public key is no shared secret', async () => {
  const secret = new TextEncoder().encode(await exportSPKI(rsa.publicKey))
  expect(await verify(await token('HS256', 'rsa', secret))).toHaveProperty('invalid')
})

test('keys out of reach are 503 and no verdict on the token', async () => {
  isUp = false
  const unreached = createTokenVerifier({ jwksUrl })
  const error = await Promise.resolve(unreached(await token('RS256', 'rsa', rsa.privateKey))).catch(
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(ProblemError)
  expect((error as ProblemError).problem).toMatchObject({ status: 503, code: 'keys_unavailable' })
  isUp = true
})
