import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The secret that is kept in a file, undefined when there is none. */
export async function readSecret(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Keeps a secret in a file that only its owner may read. Answers the secret that is kept there: of processes that begin at the same
 * moment the first decides for all.
 */
export async function keepSecret(path: string, secret: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  const mine = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(mine, `${secret}\n`, { mode: 0o600, flag: 'wx', flush: true })
  try {
    // A link fails where the file is there, and never shows half of one.
    await link(mine, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(mine)
  }
  return (await readSecret(path))!
}
