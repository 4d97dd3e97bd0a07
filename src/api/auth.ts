import type { FastifyRequest } from 'fastify'
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Actor } from '../domain/envelope.ts'
import { problem } from './problem.ts'
import { type Permission, type Reach, type Role, reachOf, rolesAmong } from './roles.ts'

/** Who a verified token speaks for. */
export interface Caller {
  readonly sub: string
  readonly tenant: string
  /** Strongest first. */
  readonly roles: readonly Role[]
  /** When the token ends, in seconds since 1970. */
  readonly expiresAt: number
}

type Verdict = Caller | { readonly invalid: string }

/** Answers who a token speaks for, or why it speaks for nobody; at once where it was seen lately. */
export type VerifyToken = (token: string) => Verdict | Promise<Verdict>

export type TokenKeys = { readonly jwtSecret: string } | { readonly jwksUrl: string }

/** How far ahead the clock of a token's issuer may be. It delays no end: a token that has ended has ended (RFC 7519 §4.1.4). */
const CLOCK_TOLERANCE_SECONDS = 30
const REMEMBERED_TOKENS = 20_000
/** A token that was good is not looked at again for this long, so that a key taken out of the JWKS is soon noticed. */
const REMEMBERED_MS = 60_000

/**
 * Verifies tokens by HS256 with a shared secret, or by the asymmetric algorithms with the keys of a JWKS: never what the token
 * itself names (RFC 8725 §3.1).
 */
export function createTokenVerifier(keys: TokenKeys, now: () => number = Date.now): VerifyToken {
  const verify = 'jwtSecret' in keys ? bySecret(keys.jwtSecret) : byKeySet(keys.jwksUrl)
  const remembered = new LRUCache<string, Caller>({ max: REMEMBERED_TOKENS, ttl: REMEMBERED_MS })
  const look = async (token: string): Promise<Verdict> => {
    try {
      const caller = callerOf(await verify(token, new Date(now())))
      if ('sub' in caller && caller.expiresAt <= now() / 1000) return { invalid: EXPIRED }
      if ('sub' in caller) remembered.set(token, caller)
      return caller
    } catch (error) {
      if ('jwksUrl' in keys && !isAboutToken(error)) throw keysUnavailable()
      return { invalid: explain(error) }
    }
  }
  return (token) => {
    const known = remembered.get(token)
    if (known && known.expiresAt > now() / 1000) return known
    return look(token)
  }
}

type Verify = (token: string, currentDate: Date) => Promise<JWTPayload>

function bySecret(secret: string): Verify {
  const key = new TextEncoder().encode(secret)
  return async (token, currentDate) =>
    (await jwtVerify(token, key, { algorithms: ['HS256'], ...common, currentDate })).payload
}

function byKeySet(url: string): Verify {
  const keys: JWTVerifyGetKey = createRemoteJWKSet(new URL(url))
  const algorithms = [
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
  ]
  return async (token, currentDate) =>
    (await jwtVerify(token, keys, { algorithms, ...common, currentDate })).payload
}

const common = { clockTolerance: CLOCK_TOLERANCE_SECONDS, requiredClaims: ['exp'] }

const keysUnavailable = () =>
  problem(503, 'keys_unavailable', 'The keys that tokens are checked with cannot be reached.', {
    headers: { 'retry-after': '5' },
  })

/** Of a key set, that it could not be had: neither a key that it does not hold nor anything that is wrong with the token. */
function isAboutToken(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return false
  return !['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(error.code)
}

const EXPIRED = 'The token has expired.'

function explain(error: unknown): string {
  if (error instanceof errors.JWTExpired) return EXPIRED
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The token's claim "${error.claim}" does not hold.`
  return 'The token is not valid.'
}

const MAX_NAME = 200
/** A tenant is part of every stream's name, percent-encoded. */
const MAX_ENCODED = 600
const isName = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length > 0 &&
  value.length <= MAX_NAME &&
  value.isWellFormed() &&
  !/\p{Cc}/u.test(value)

function callerOf({ sub, tenant, roles, exp }: JWTPayload): Caller | { invalid: string } {
  if (!isName(sub)) return { invalid: 'The token\'s claim "sub" must be a text of 1 to 200 characters.' }
  if (!isName(tenant) || encodeURIComponent(tenant).length > MAX_ENCODED)
    return { invalid: 'The token\'s claim "tenant" must be a text of 1 to 200 characters.' }
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string'))
    return { invalid: 'The token\'s claim "roles" must be a list of texts.' }
  return { sub, tenant, roles: rolesAmong(roles), expiresAt: exp! }
}

/** A token issued here, valid for `expiresIn` seconds. */
export function issueToken(
  secret: string,
  claims: { readonly sub: string; readonly tenant: string; readonly roles: readonly string[] },
  expiresIn: number,
  now: number = Date.now(),
): Promise<string> {
  const issuedAt = Math.floor(now / 1000)
  return new SignJWT({ tenant: claims.tenant, roles: [...claims.roles] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(claims.sub)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + expiresIn)
    .sign(new TextEncoder().encode(secret))
}

const BEARER = /^Bearer +([A-Za-z0-9_~+/.-]+=*) *$/i

/** The caller of a request by its `Authorization` header (RFC 6750); at once where its token was seen lately. @throws ProblemError 401 */
export function authenticate(verify: VerifyToken, request: FastifyRequest): Caller | Promise<Caller> {
  const header = request.headers.authorization
  if (header === undefined) throw unauthorized('token_missing', 'A bearer token is needed.')
  const token = BEARER.exec(header)?.[1]
  if (!token) throw unauthorized('token_invalid', 'The Authorization header must be "Bearer <JWT>".')
  const verdict = verify(token)
  return verdict instanceof Promise ? verdict.then(welcome) : welcome(verdict)
}

function welcome(verdict: Verdict): Caller {
  if ('invalid' in verdict) throw unauthorized('token_invalid', verdict.invalid)
  return verdict
}

function unauthorized(code: string, detail: string) {
  const challenge = code === 'token_missing' ? 'Bearer' : 'Bearer error="invalid_token"'
  return problem(401, code, detail, { headers: { 'www-authenticate': challenge } })
}

/** How far the caller reaches by a permission. @throws ProblemError 403 when not at all */
export function authorize(caller: Caller, permission: Permission): Reach {
  const reach = reachOf(caller.roles, permission)
  if (!reach) throw problem(403, 'forbidden', `None of your roles may do this (${permission}).`)
  return reach
}

export function actorOf(caller: Caller): Actor {
  return { id: caller.sub, role: caller.roles[0] ?? 'none' }
}
