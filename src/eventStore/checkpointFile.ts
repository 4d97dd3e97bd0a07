import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { comparePositions, type Position, START } from '../domain/position.ts'
import type { Checkpoint } from './checkpoint.ts'

/** Where a stream ended: its last revision and the first 16 hex digits of that event's chain. */
export type HeadMark = readonly [revision: number, chain: string]

/** One line of the file: what was signed together. */
export interface CheckpointLine {
  /** Every tenant's events up to here are covered by this line or an earlier one; absent when only one tenant was looked at. */
  readonly through?: Position
  readonly checkpoints: readonly Checkpoint[]
  /**
   * By tenant, the streams that grew since that tenant's checkpoint before. They are not signed: the digest proves that something
   * is wrong, these only tell where.
   */
  readonly heads: Readonly<Record<string, Readonly<Record<string, HeadMark>>>>
}

/**
 * The checkpoints, in a file beside the database and not in it: one JSON line each, only ever appended to. Several processes may
 * append to the same file.
 */
export interface CheckpointFile {
  append(line: CheckpointLine): Promise<void>
  /** The lines in order of writing. A line torn by a crash is passed over. */
  lines(): AsyncIterable<CheckpointLine>
  /** Each tenant's latest checkpoint, and the position up to which all of them are complete. */
  latest(): Promise<{ through: Position; byTenant: Map<string, Checkpoint> }>
}

export function checkpointFile(folder: string): CheckpointFile {
  const file = join(folder, 'checkpoints.ndjson')

  async function* lines(): AsyncGenerator<CheckpointLine> {
    const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    if (!handle) return
    const input = createReadStream('', { fd: handle, encoding: 'utf8' })
    try {
      for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        const line = parseLine(text)
        if (line) yield line
      }
    } finally {
      input.destroy()
    }
  }

  return {
    lines,
    async append(line) {
      await mkdir(folder, { recursive: true })
      const handle = await open(file, 'a')
      try {
        // A newline first ends what a crash may have torn; empty lines mean nothing.
        await handle.write(`\n${JSON.stringify(line)}\n`)
        await handle.datasync()
      } finally {
        await handle.close()
      }
    },
    async latest() {
      let through = START
      const byTenant = new Map<string, Checkpoint>()
      for await (const line of lines()) {
        if (line.through !== undefined && comparePositions(line.through, through) > 0) through = line.through
        for (const checkpoint of line.checkpoints) {
          const known = byTenant.get(checkpoint.tenant)
          if (!known || comparePositions(checkpoint.position, known.position) > 0)
            byTenant.set(checkpoint.tenant, checkpoint)
        }
      }
      return { through, byTenant }
    },
  }
}

export interface HeadMarks {
  note(tenant: string, stream: string, head: { readonly revision: number; readonly chain: string }): void
  /** What was noted since the last time. */
  take(): CheckpointLine['heads']
}

export function createHeadMarks(): HeadMarks {
  // Without a prototype a tenant may be called anything, `__proto__` too.
  let marks: Record<string, Record<string, HeadMark>> = Object.create(null)
  return {
    note(tenant, stream, { revision, chain }) {
      marks[tenant] ??= {}
      marks[tenant][stream] = [revision, chain.slice(0, 16)]
    },
    take() {
      const taken = marks
      marks = Object.create(null)
      return taken
    },
  }
}

function parseLine(text: string): CheckpointLine | undefined {
  if (text === '') return undefined
  try {
    const line = JSON.parse(text) as CheckpointLine
    return Array.isArray(line.checkpoints) ? line : undefined
  } catch {
    return undefined
  }
}
