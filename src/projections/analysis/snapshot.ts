import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { columnsOf, type IndexState, indexOf, type Saved } from '../../analysis/columns/indexState.ts'
import type { Position } from '../../domain/position.ts'
import { AnalysisState, type Definition, type FlowIndex, type Landmark } from './state.ts'

/**
 * A file of the whole state, so that a restart reads only the tail of the log. Sections of raw columns, then a table of contents with
 * their lengths and checksums, then where that begins. Numbers are in the byte order of the machine, which the file names.
 */
const MAGIC = 'gangway-analysis-2'
const END = 24

interface Contents {
  readonly magic: string
  readonly littleEndian: boolean
  readonly through: Position
  readonly beforeLast: Position
  readonly last: Landmark | null
  readonly events: number
  readonly sections: readonly { readonly bytes: number; readonly crc: number }[]
  readonly tenants: readonly {
    readonly tenant: string
    readonly definitions: readonly Definition[]
    readonly flows: readonly StoredFlow[]
  }[]
}

interface StoredFlow {
  readonly id: string
  readonly published: boolean
  readonly steps: readonly string[]
  readonly state: IndexState
  /** Its columns are the sections from `first` on. */
  readonly first: number
  readonly columns: number
}

/** Writes the state as it is at the call; what comes while it is written is not in the file. Replaces the file in one step. */
export async function saveSnapshot(file: string, state: AnalysisState): Promise<void> {
  const columns: Saved[] = []
  const contents: Omit<Contents, 'sections'> = {
    magic: MAGIC,
    littleEndian,
    through: state.through,
    beforeLast: state.beforeLast,
    last: state.last ?? null,
    events: state.events,
    tenants: [...state.tenants].map(([tenant, { flows, definitions }]) => ({
      tenant,
      definitions: [...definitions.values()],
      flows: [...flows.values()].map((flow) => storedFlow(flow, columns)),
    })),
  }
  const temporary = `${file}.${randomUUID()}`
  await mkdir(dirname(file), { recursive: true })
  try {
    await write(temporary, columns, contents)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Adds a flow's columns to the sections. Users of sessions are the one column that may change in place: it is copied. */
function storedFlow({ id, published, steps, index }: FlowIndex, sections: Saved[]): StoredFlow {
  const { state, columns } = columnsOf(index)
  const first = sections.length
  const users = index.users.userOf.items.buffer
  for (const column of columns) sections.push(column.buffer === users ? column.slice() : column)
  return { id, published, steps: [...steps], state, first, columns: columns.length }
}

function restoredFlow(stored: StoredFlow, sections: readonly Uint8Array[]): FlowIndex {
  const { id, published, steps, state, first, columns } = stored
  const index = indexOf(state, sections.slice(first, first + columns))
  return { id, index, steps: new Set(steps), published, watchers: new Set() }
}

async function write(path: string, columns: readonly Saved[], contents: Omit<Contents, 'sections'>) {
  const handle = await open(path, 'w')
  try {
    const sections: { bytes: number; crc: number }[] = []
    let offset = 0
    for (const column of columns) {
      const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength)
      await writeAll(handle, bytes)
      sections.push({ bytes: bytes.length, crc: crc32(bytes) })
      offset += bytes.length
    }
    const table = Buffer.from(JSON.stringify({ ...contents, sections }))
    await writeAll(handle, table)
    const end = Buffer.alloc(END)
    end.writeBigUInt64LE(BigInt(offset), 0)
    end.writeBigUInt64LE(BigInt(table.length), 8)
    end.writeUInt32LE(crc32(table), 16)
    await writeAll(handle, end)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** In portions: a queue of a thread's file operations is shared with everything else. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, Math.min(bytes.length - at, PORTION))
    at += bytesWritten
  }
}

const PORTION = 1 << 24
const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** The state that a file holds; undefined without a file. @throws DamagedSnapshot */
export async function loadSnapshot(file: string): Promise<AnalysisState | undefined> {
  let handle: FileHandle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return await read(handle)
  } catch (error) {
    if (error instanceof DamagedSnapshot) throw error
    throw new DamagedSnapshot(`it cannot be read: ${(error as Error).message}`)
  } finally {
    await handle.close()
  }
}

/** The file is not what was written: the index is built from the log instead. */
export class DamagedSnapshot extends Error {
  override readonly name = 'DamagedSnapshot'
}

async function read(handle: FileHandle): Promise<AnalysisState> {
  const { size } = await handle.stat()
  if (size < END) throw new DamagedSnapshot('it is too short')
  const end = Buffer.from(await portion(handle, size - END, END))
  const [at, length] = [Number(end.readBigUInt64LE(0)), Number(end.readBigUInt64LE(8))]
  if (at + length + END !== size) throw new DamagedSnapshot('its parts do not add up to its size')
  const table = await portion(handle, at, length)
  if (crc32(table) !== end.readUInt32LE(16)) throw new DamagedSnapshot('its table of contents is damaged')
  const contents = JSON.parse(Buffer.from(table).toString()) as Contents
  if (contents.magic !== MAGIC || contents.littleEndian !== littleEndian)
    throw new DamagedSnapshot('it was written by another version or machine')
  const columns: Uint8Array[] = []
  let offset = 0
  for (const { bytes, crc } of contents.sections) {
    const column = await portion(handle, offset, bytes)
    if (crc32(column) !== crc) throw new DamagedSnapshot('a column is damaged')
    columns.push(column)
    offset += bytes
  }
  return stateOf(contents, columns)
}

async function portion(handle: FileHandle, offset: number, bytes: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(new SharedArrayBuffer(bytes))
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await handle.read(buffer, at, Math.min(bytes - at, PORTION), offset + at)
    if (bytesRead === 0) throw new DamagedSnapshot('it ends early')
    at += bytesRead
  }
  return buffer
}

function stateOf(contents: Contents, columns: readonly Uint8Array[]): AnalysisState {
  const state = new AnalysisState()
  for (const { tenant: name, definitions, flows } of contents.tenants) {
    const tenant = state.tenant(name)
    for (const definition of definitions)
      tenant.definitions.set(`${definition.kind}:${definition.key}`, definition)
    for (const stored of flows) tenant.flows.set(stored.id, restoredFlow(stored, columns))
  }
  state.through = contents.through
  state.beforeLast = contents.beforeLast
  state.last = contents.last ?? undefined
  state.events = contents.events
  return state
}
