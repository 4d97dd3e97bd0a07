import { issueToken } from './api/auth.ts'
import { roles } from './api/roles.ts'
import { readConfig } from './config.ts'
import { type Service, startService } from './service.ts'
import { createLogger } from './services/logger.ts'

/** `npm start`: reads the environment, starts the service, says how to use it, and stops it on a signal. */

const read = readConfig(process.env)
if ('faults' in read) {
  console.error('The configuration has faults:')
  for (const { variable, detail } of read.faults) console.error(`  ${variable} ${detail}`)
  process.exit(2)
}
const { config } = read
const isTerminal = process.stdout.isTTY === true
const logger = createLogger(process.env.LOG_LEVEL || !isTerminal ? config.logLevel : 'warn')

const starting = startService(config, logger)
stopOnSignals(starting)
const service = await starting.catch((error: NodeJS.ErrnoException) => {
  console.error(explain(error))
  process.exit(1)
})
await welcome(service)

/** From the first moment on: what was started by then is stopped, also when that is in the middle of starting. */
function stopOnSignals(starting: Promise<Service>): void {
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, async () => {
      // Asked twice, it leaves at once: everything acknowledged is in the log.
      if (stopping) process.exit(130)
      stopping = true
      const started = await starting.catch(() => process.exit(1))
      await started.stop().catch((error) => {
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
