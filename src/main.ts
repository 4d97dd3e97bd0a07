import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { readConfig } from './config.ts'
import { MEMORY_SETTINGS } from './memorySettings.ts'
import type { Service } from './service.ts'

/** `npm start`: reads the environment, starts the service, says how to use it, and stops it on a signal. */

// Compiled code is kept for the next start, beside the packages that most of it comes from; threads take the folder from the environment.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/gangway', import.meta.url))
enableCompileCache(process.env.NODE_COMPILE_CACHE)

// They were for this process and are read; PostgreSQL, which it may start, is to allocate as it likes.
for (const name of Object.keys(MEMORY_SETTINGS)) delete process.env[name]

const read = readConfig(process.env)
if ('faults' in read) {
  console.error('The configuration has faults:')
  for (const { variable, detail } of read.faults) console.error(`  ${variable} ${detail}`)
  process.exit(2)
}
const { config } = read
const isTerminal = process.stdout.isTTY === true

const starting = start()
stopOnSignals(starting)
const service = await starting.catch((error: NodeJS.ErrnoException) => {
  console.error(explain(error))
  process.exit(1)
})
await welcome(service)
setTimeout(flushCompileCache, 2000).unref()

/** The database starts while the service is being loaded. */
async function start(): Promise<Service> {
  const { createLogger } = await import('./services/logger.ts')
  const logger = createLogger(process.env.LOG_LEVEL || !isTerminal ? config.logLevel : 'warn')
  const { openDatabase } = await import('./database.ts')
  const database = openDatabase(config, logger)
  // It is awaited once the rest is there.
  database.catch(() => {})
  const { startService } = await import('./service.ts')
  return startService(config, logger, database)
}

/** From the first moment on: what was started by then is stopped, also when that is in the middle of starting. */
function stopOnSignals(starting: Promise<Service>): void {
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, async () => {
      // Asked twice, it leaves at once: everything acknowledged is in the log.
      if (stopping) process.exit(130)
      stopping = true
      const started = await starting.catch(() => process.exit(1))
      // Ctrl-C is somebody at a terminal, who is not kept waiting.
      await started.stop(signal === 'SIGTERM' ? config.drainSeconds : 0).catch((error) => {
        console.error(error)
        process.exit(1)
      })
      process.exit(0)
    })
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE')
    return `Port ${config.port} of ${config.host} is taken. Set PORT to another, or stop what listens there.`
  if (error.code === 'EACCES' && error.syscall === 'listen')
    return `Port ${config.port} may not be used by this user. Set PORT to one above 1023.`
  return `Gangway could not start: ${error.message}`
}

/** Tokens are shown only while the secret is the embedded one: of a configured secret others decide. */
async function welcome({ url, embeddedSecret }: Service): Promise<void> {
  const { issueToken } = await import('./api/auth.ts')
  const { roles } = await import('./api/roles.ts')
  const lines = [`Gangway answers at ${url}`, `Try every endpoint at ${url}/docs`]
  if (embeddedSecret) {
    lines.push(
      '',
      `Tokens for the tenant glavito (valid ${config.jwtExpiresIn} s; npm run token makes others):`,
    )
    for (const role of roles) {
      const claims = { sub: role === 'participant' ? 'ann' : role, tenant: 'glavito', roles: [role] }
      lines.push(`  ${role.padEnd(11)} ${await issueToken(embeddedSecret, claims, config.jwtExpiresIn)}`)
    }
    lines.push(
      '',
      'Three commands to try (paste the participant’s token first):',
      '  TOKEN=…',
      `  curl -s ${url}/onboarding/start -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"flowId":"glavito"}'`,
      `  curl -s ${url}/onboarding/sessions -H "Authorization: Bearer $TOKEN"`,
      '  npm run replay -- --tenant glavito --stream SESSION_ID',
    )
  }
  console.log(lines.join('\n'))
}
