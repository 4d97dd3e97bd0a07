/** A connection string that the client understands, and what it says that we need to know. */
export interface EventStoreDbUrl {
  readonly connectionString: string
  /** Hosts and ports only, for messages: no credentials. */
  readonly hosts: string
  /** Several nodes, or one that tells of them. */
  readonly cluster: boolean
  /** Reads ask for the leader: on a cluster, unless the string prefers other nodes. */
  readonly readsFromLeader: boolean
  /** TLS is off, so the client sends no credentials although some are given. */
  readonly dropsCredentials: boolean
  readonly keepAliveInterval: number
}

const SCHEMES = /^(?:esdb|kurrentdb|kurrent|kdb)(\+discover)?:\/\//i

/**
 * Reads `esdb://`, `kurrentdb://` and their `+discover` forms. The client takes `esdb` only, cuts a password at its first `:` and reads
 * an unescaped `@` in one as the host, so the string is taken apart and written anew.
 * Throws an Error that names the fault and never the password.
 */
export function parseEventStoreDbUrl(text: string): EventStoreDbUrl {
  const trimmed = text.trim()
  const scheme = SCHEMES.exec(trimmed)
  if (!scheme) throw fault('it must begin with esdb://, esdb+discover:// or kurrentdb://')
  const discover = scheme[1] !== undefined
  const [authority = '', query = '', ...more] = trimmed.slice(scheme[0].length).split('?')
  if (more.length > 0) throw fault('write ? in a name or password as %3F')
  const at = authority.lastIndexOf('@')
  const credentials = at < 0 ? '' : `${credentialsOf(authority.slice(0, at))}@`
  const hosts = hostsOf(authority.slice(at + 1).replace(/\/+$/, ''))
  const options = optionsOf(query)
  const interval = options.get('keepaliveinterval')?.value
  const rest = [...options.values()].map(({ key, value }) => `${key}=${value}`).join('&')
  const cluster = discover || hosts.length > 1
  const prefers = options.get('nodepreference')?.value.toLowerCase() ?? 'leader'
  const protocol = discover ? 'esdb+discover' : 'esdb'
  return {
    connectionString: `${protocol}://${credentials}${hosts.join(',')}${rest === '' ? '' : `?${rest}`}`,
    hosts: hosts.join(','),
    cluster,
    readsFromLeader: cluster && prefers === 'leader',
    dropsCredentials: credentials !== '' && options.get('tls')?.value === 'false',
    keepAliveInterval: interval === undefined ? 10_000 : Number(interval),
  }
}

/** The same string with another keep-alive interval. */
export function withKeepAlive(url: EventStoreDbUrl, ms: number): string {
  const without = url.connectionString.replace(/([?&])keepAliveInterval=[^&]*&?/i, '$1').replace(/[?&]$/, '')
  return `${without}${without.includes('?') ? '&' : '?'}keepAliveInterval=${ms}`
}

function credentialsOf(text: string): string {
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1) throw fault('credentials must be name:password')
  return `${reencoded(text.slice(0, colon))}:${reencoded(text.slice(colon + 1))}`
}

function reencoded(text: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(text))
  } catch {
    return encodeURIComponent(text)
  }
}

function hostsOf(text: string): string[] {
  if (text === '') throw fault('it names no host')
  return text.split(',').map((host) => {
    const [name = '', port = '2113', ...more] = host.trim().split(':')
    if (more.length > 0) throw fault('an IPv6 address is not understood by the client; give the host a name')
    const number = /^\d{1,5}$/.test(port) ? Number(port) : 0
    if (!/^[\w.-]+$/.test(name)) throw fault(`${JSON.stringify(name)} is not a host name`)
    if (number < 1 || number > 65_535) throw fault(`${JSON.stringify(port)} is not a port`)
    return `${name}:${number}`
  })
}

/** The client's own options, by name in lower case; unknown ones are refused, as it would pass over them with a line on the console. */
function optionsOf(query: string): Map<string, { key: string; value: string }> {
  const options = new Map<string, { key: string; value: string }>()
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const equals = pair.indexOf('=')
    const name = equals < 0 ? pair : pair.slice(0, equals)
    const value = equals < 0 ? '' : pair.slice(equals + 1).trim()
    const key = Object.keys(OPTIONS).find((known) => known.toLowerCase() === name.trim().toLowerCase())
    if (key === undefined) throw fault(`${JSON.stringify(name)} is not an option`)
    const pattern = OPTIONS[key as keyof typeof OPTIONS]
    if (!pattern.test(value)) throw fault(`${key} cannot be ${JSON.stringify(value)}`)
    options.set(key.toLowerCase(), { key, value })
  }
  return options
}

const flag = /^(true|false)$/
const whole = /^-?\d{1,9}$/
const anything = /./
const OPTIONS = {
  tls: flag,
  tlsVerifyCert: flag,
  tlsCAFile: anything,
  userCertFile: anything,
  userKeyFile: anything,
  connectionName: anything,
  nodePreference: /^(leader|follower|read_?only_?replica|random)$/i,
  maxDiscoverAttempts: whole,
  discoveryInterval: whole,
  gossipTimeout: whole,
  defaultDeadline: whole,
  keepAliveInterval: whole,
  keepAliveTimeout: whole,
  throwOnAppendFailure: flag,
}

function fault(detail: string): Error {
  return new Error(`The EventStoreDB connection string is wrong: ${detail}`)
}
