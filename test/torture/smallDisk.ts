import { spawn } from 'node:child_process'
import { chmod, mkdir, open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'

/** A file system of its own, small enough to be filled. */
export interface SmallDisk {
  readonly folder: string
  /** Takes the last byte that is free. */
  fill(): Promise<void>
  free(): Promise<void>
  unmount(): Promise<void>
}

const MEGABYTE = 1024 ** 2

/** ext4 in a file where loop devices may be mounted, else memory; undefined where nothing may be mounted at all (it takes root on Linux). */
export async function mountSmallDisk(at: string, megabytes: number): Promise<SmallDisk | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const folder = join(at, 'disk')
  const image = join(at, 'disk.image')
  await mkdir(folder)
  const file = await open(image, 'w')
  await file.truncate(megabytes * MEGABYTE)
  await file.close()
  const mounted =
    // No blocks are held back for root: full is full.
    ((await run('mkfs.ext4', '-q', '-m', '0', image)) && (await run('mount', '-o', 'loop', image, folder))) ||
    (await run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder))
  if (!mounted) return undefined
  await chmod(folder, 0o711)
  const ballast = join(folder, 'ballast')
  return {
    folder,
    async fill() {
      // What is written while it fills is taken on the next round.
      for (let round = 0; round < 3; round++) {
        const { bavail, bsize } = await statfs(folder)
        if (bavail > 0) await run('fallocate', '-l', String(bavail * bsize), `${ballast}${round}`)
      }
      const last = await open(`${ballast}.last`, 'a')
      const block = Buffer.alloc(4096)
      try {
        for (;;) await last.write(block)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      } finally {
        await last.close()
      }
    },
    async free() {
      for (const end of ['0', '1', '2', '.last']) await rm(`${ballast}${end}`, { force: true })
    },
    async unmount() {
      ;(await run('umount', folder)) || (await run('umount', '-l', folder))
    },
  }
}

function run(command: string, ...options: string[]): Promise<boolean> {
  return new Promise((done) => {
    const child = spawn(command, options, { stdio: 'ignore' })
    child.once('error', () => done(false))
    child.once('exit', (code) => done(code === 0))
  })
}
