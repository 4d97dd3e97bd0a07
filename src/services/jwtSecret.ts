import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const FILE = 'jwt-secret'

/**
 * The secret that tokens are signed with where none is configured: made once, kept in the data folder, readable by its owner
 * alone. Processes that begin at the same moment end up with the same one.
 */
export async function embeddedJwtSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, FILE)
  const known = await readSecret(path)
  if (known) return known
  await mkdir(dataDir, { recursive: true })
  const mine = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(mine, `${randomBytes(48).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    // A link fails where the file is there, and never shows half of one.
    await link(mine, path)
    await chmod(path, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(mine)
  }
  return (await readSecret(path))!
}

/** The secret that is kept there, undefined when there is none. */
export async function readSecret(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
