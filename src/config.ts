import { resolve } from 'node:path'

/** Everything that the environment decides, checked once. The README's table says the same for people. */
export interface Config {
  readonly host: string
  readonly port: number
  /** Absolute. Holds the embedded database, secrets kept for it, index snapshots and audit checkpoints. */
  readonly dataDir: string
  readonly databaseUrl?: string
  readonly eventStoreUrl?: string
  readonly redisUrl?: string
  readonly jwtSecret?: string
  readonly jwksUrl?: string
  /** Seconds that a token issued here is valid. */
  readonly jwtExpiresIn: number
  /** The one origin that browsers may come from. */
  readonly frontendUrl?: string
  /** Requests a minute and caller. */
  readonly rateLimit: number
  readonly roles: NodeRoles
  /** Seconds that it goes on serving at most, once it was asked to end and those who look at its readiness are being told. */
  readonly drainSeconds: number
  readonly logLevel: LogLevel
}

/** What this process does: answers HTTP, builds read models and runs scheduled commands, or both. */
export type NodeRoles = 'api' | 'projector' | 'all'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface ConfigFault {
  readonly variable: string
  readonly detail: string
}

type Environment = Readonly<Record<string, string | undefined>>
type Parse<T> = (text: string) => T | { fault: string }

/** Reads the environment; every wrong value is named, not only the first. An empty variable counts as not set. */
export function readConfig(environment: Environment): { config: Config } | { faults: ConfigFault[] } {
  const faults: ConfigFault[] = []
  function read<T>(variable: string, parse: Parse<T>): T | undefined
  function read<T>(variable: string, parse: Parse<T>, fallback: T): T
  function read<T>(variable: string, parse: Parse<T>, fallback?: T): T | undefined {
    const text = environment[variable]?.trim()
    if (!text) return fallback
    const value = parse(text)
    if (typeof value === 'object' && value !== null && 'fault' in value) {
      faults.push({ variable, detail: parse === secret ? value.fault : `${value.fault}, not ${shown(text)}` })
      return fallback
    }
    return value as T
  }

  const config = {
    host: read('HOST', text, '127.0.0.1'),
    port: read('PORT', integer(0, 65_535), 3000),
    dataDir: resolve(read('DATA_DIR', text, '.gangway')),
    databaseUrl: read('DATABASE_URL', url('postgres:', 'postgresql:')),
    eventStoreUrl: read(
      'EVENTSTORE_URL',
      url('esdb:', 'esdb+discover:', 'kurrentdb:', 'kurrentdb+discover:'),
    ),
    redisUrl: read('REDIS_URL', url('redis:', 'rediss:')),
    jwtSecret: read('JWT_SECRET', secret),
    jwksUrl: read('JWKS_URL', url('https:', 'http:')),
    jwtExpiresIn: read('JWT_EXPIRES_IN', duration, 3600),
    frontendUrl: read('FRONTEND_URL', origin),
    rateLimit: read('RATE_LIMIT', integer(1, 1_000_000_000), 60_000),
    roles: read('ROLES', oneOf('api', 'projector', 'all'), 'all'),
    drainSeconds: read('DRAIN_SECONDS', integer(0, 600), 5),
    logLevel: read('LOG_LEVEL', oneOf(...logLevels), 'info'),
  }
  if (config.jwtSecret && config.jwksUrl)
    faults.push({ variable: 'JWKS_URL', detail: 'set JWT_SECRET or JWKS_URL, not both' })
  return faults.length > 0 ? { faults } : { config: withoutUndefined(config) as unknown as Config }
}

/** Without what may be a password: everything between `//` and the last `@`. */
const shown = (value: string) => JSON.stringify(value.replace(/\/\/.*@/, '//…@'))

const text: Parse<string> = (value) => value

function integer(min: number, max: number): Parse<number> {
  return (value) => {
    const number = Number(value)
    return /^\d+$/.test(value) && number >= min && number <= max
      ? number
      : { fault: `must be a whole number from ${min} to ${max}` }
  }
}

function url(...protocols: string[]): Parse<string> {
  return (value) => {
    const found = /^([a-z][a-z0-9+.-]*:)\/\/./i.exec(value)
    return found && protocols.includes(found[1]!.toLowerCase())
      ? value
      : { fault: `must begin with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}` }
  }
}

const origin: Parse<string> = (value) => {
  const parsed = URL.canParse(value) ? new URL(value) : undefined
  return parsed && parsed.pathname === '/' && !parsed.search
    ? parsed.origin
    : { fault: 'must be an origin such as https://app.example.com' }
}

const secret: Parse<string> = (value) =>
  Buffer.byteLength(value) >= 32 ? value : { fault: 'must be at least 32 bytes (RFC 7518 §3.2)' }

/** `900`, `15m`, `1h`, `7d` → seconds. */
const duration: Parse<number> = (value) => {
  const found = /^([1-9]\d{0,8})(s|m|h|d)?$/.exec(value)
  if (!found) return { fault: 'must be a duration such as 900, 15m, 1h or 7d' }
  return Number(found[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[(found[2] ?? 's') as 's' | 'm' | 'h' | 'd']
}

function oneOf<T extends string>(...values: readonly T[]): Parse<T> {
  return (value) =>
    values.includes(value as T) ? (value as T) : { fault: `must be one of ${values.join(', ')}` }
}

function withoutUndefined(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
