import { issueToken } from '../api/auth.ts'
import { roles } from '../api/roles.ts'
import { readConfig } from '../config.ts'
import { embeddedJwtSecret } from '../services/jwtSecret.ts'
import { fail, readCommandLine } from './commandLine.ts'

const { options } = readCommandLine({
  usage: 'npm run token -- --tenant T --sub U --roles a,b',
  summary:
    'Prints a token for the service, and nothing else. It is signed with JWT_SECRET, or with the secret in DATA_DIR that the ' +
    'service itself uses while none is configured.',
  options: {
    tenant: { value: 'T', help: 'the tenant it speaks for', required: true },
    sub: { value: 'U', help: 'the user it speaks for', required: true },
    roles: { value: 'a,b', help: `any of ${roles.join(', ')}`, required: true },
  },
})

const held = options.roles!.split(',').map((role) => role.trim())
const unknown = held.filter((role) => !(roles as readonly string[]).includes(role))
if (unknown.length > 0)
  fail(`There is no role ${unknown.map((role) => `"${role}"`).join(', ')}; there are ${roles.join(', ')}.`, 2)
for (const name of ['tenant', 'sub'])
  if (options[name]!.length > 200) fail(`--${name} may have up to 200 characters.`, 2)

const read = readConfig(process.env)
if ('faults' in read) fail(read.faults.map(({ variable, detail }) => `${variable} ${detail}`).join('\n'))
const { config } = read
if (config.jwksUrl) fail('Tokens are issued by whoever keeps the keys at JWKS_URL, not here.')
const secret = config.jwtSecret ?? (await embeddedJwtSecret(config.dataDir))
const token = await issueToken(
  secret,
  { tenant: options.tenant!, sub: options.sub!, roles: held },
  config.jwtExpiresIn,
)
process.stdout.write(`${token}\n`)
