import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { keepSecret, readSecret } from '../keptSecret.ts'

const FILE = 'jwt-secret'

/** The secret that tokens are signed with where none is configured: made once and kept in the data folder. */
export async function embeddedJwtSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, FILE)
  return (await readSecret(path)) ?? keepSecret(path, randomBytes(48).toString('base64url'))
}
