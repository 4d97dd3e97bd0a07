import { spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Whom PostgreSQL runs as: empty for the user we are. It refuses to run as root. */
export interface RunAs {
  readonly uid?: number
  readonly gid?: number
}

/** Where the cluster is, and whom it belongs to. */
export interface ClusterPlace {
  readonly cluster: string
  readonly runAs: RunAs
}

const POINTER = 'postgres.location'

/**
 * The folder of the cluster below `dataDir`. Only when we are root and the unprivileged user cannot enter `dataDir` (it lies in a
 * closed home folder) the cluster lives in /var/lib instead, and a file in `dataDir` says where.
 */
export async function placeCluster(dataDir: string, log: (line: string) => void): Promise<ClusterPlace> {
  await mkdir(dataDir, { recursive: true })
  const elsewhere = await readFile(join(dataDir, POINTER), 'utf8').catch(() => undefined)
  const folder = elsewhere?.trim() ?? dataDir
  const cluster = join(folder, 'postgres')
  const owner = await stat(cluster).catch(() => undefined)
  if (process.getuid?.() !== 0) {
    if (owner && process.getuid && owner.uid !== process.getuid())
      throw new Error(`${cluster} belongs to user ${owner.uid}: start as that user or as root.`)
    return { cluster, runAs: {} }
  }
  const runAs = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : unprivilegedUser()
  if (canEnter(folder, runAs)) return { cluster, runAs }
  const { mode } = await stat(folder)
  await chmod(folder, mode | 0o011)
  if (canEnter(folder, runAs)) return { cluster, runAs }
  if (elsewhere || owner) throw new Error(`User ${runAs.uid} must be able to enter ${folder}, and cannot.`)
  return { cluster: join(await moveElsewhere(dataDir, log), 'postgres'), runAs }
}

function unprivilegedUser(): RunAs {
  const known = lookUp('postgres')
  if (known) return known
  const made = spawnSync('useradd', ['--system', '--user-group', '--no-create-home', 'postgres'])
  const created = lookUp('postgres')
  if (created) return created
  throw new Error(
    `PostgreSQL does not run as root and a user "postgres" could not be made (${made.error?.message ?? String(made.stderr).trim()}). Make one, start as another user, or set DATABASE_URL.`,
  )
}

function lookUp(name: string): RunAs | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number.parseInt(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout ?? '', 10),
  )
  return uid && gid ? { uid, gid } : undefined
}

/** Asked of the operating system rather than computed from modes, which would miss access lists and mounts. */
function canEnter(folder: string, runAs: RunAs): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...runAs, cwd: '/' }).status === 0
}

async function moveElsewhere(dataDir: string, log: (line: string) => void): Promise<string> {
  try {
    const folder = await mkdtemp('/var/lib/gangway-data-')
    await chmod(folder, 0o711)
    await writeFile(join(dataDir, POINTER), `${folder}\n`)
    log(`The database lives in ${folder}: the user that PostgreSQL runs as cannot enter ${dataDir}`)
    return folder
  } catch {
    throw new Error(
      `User postgres cannot enter ${dataDir}. Set DATA_DIR to a folder that every user may enter, or set DATABASE_URL.`,
    )
  }
}
