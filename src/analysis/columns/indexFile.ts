import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { ColumnarIndex } from './columnarIndex.ts'
import { columnsOf, type IndexState, indexOf, type Saved } from './indexState.ts'

/**
 * An index on disk, so that a restart reads only the tail of the log. The file is a fixed start (magic, version of the format, length and
 * CRC-32 of the header), a header in JSON that names every section with its CRC-32, and the sections. Whatever is wrong with a
 * file, it is not used and the index is rebuilt from the log.
 */
const MAGIC = 0x58494747 // GGIX
const VERSION = 1
const START = 16

interface Header {
  readonly state: IndexState
  readonly sections: readonly { readonly bytes: number; readonly crc: number }[]
}

/** Writes the index beside `path` and moves it there when it is whole. */
export function saveIndex(index: ColumnarIndex, path: string): void {
  const { state, columns } = columnsOf(index)
  const bytes = columns.map(bytesOf)
  const header: Header = { state, sections: bytes.map((part) => ({ bytes: part.length, crc: crc32(part) })) }
  const text = Buffer.from(JSON.stringify(header))
  const start = Buffer.alloc(START)
  start.writeUInt32LE(MAGIC, 0)
  start.writeUInt32LE(VERSION, 4)
  start.writeUInt32LE(text.length, 8)
  start.writeUInt32LE(crc32(text), 12)
  const beside = `${path}.${process.pid}.tmp`
  const file = openSync(beside, 'w')
  try {
    for (const part of [start, text, ...bytes]) write(file, part)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(beside, path)
}

/** Reads an index, or says why it cannot be used: the file is missing, damaged, or of another version. */
export function loadIndex(path: string): { readonly index: ColumnarIndex } | { readonly unusable: string } {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return { unusable: 'there is no file' }
  }
  try {
    return { index: readFrom(file) }
  } catch (error) {
    return { unusable: error instanceof Error ? error.message : String(error) }
  } finally {
    closeSync(file)
  }
}

function readFrom(file: number): ColumnarIndex {
  const start = Buffer.from(read(file, START))
  if (start.readUInt32LE(0) !== MAGIC) throw new Error('this is no index file')
  const version = start.readUInt32LE(4)
  if (version !== VERSION) throw new Error(`the file has version ${version}, not ${VERSION}`)
  const text = read(file, start.readUInt32LE(8))
  if (crc32(text) !== start.readUInt32LE(12)) throw new Error('the header is damaged')
  const { state, sections }: Header = JSON.parse(Buffer.from(text).toString())
  const columns = sections.map(({ bytes, crc }, i): Saved => {
    const part = read(file, bytes)
    if (crc32(part) !== crc) throw new Error(`section ${i} is damaged`)
    return part
  })
  if (readSync(file, Buffer.alloc(1)) > 0) throw new Error('the file is longer than it says')
  return indexOf(state, columns)
}

const CHUNK = 1 << 28

function read(file: number, length: number): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(length))
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, Math.min(length - done, CHUNK), null)
    if (count === 0) throw new Error('the file is shorter than it says')
    done += count
  }
  return bytes
}

function write(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, CHUNK))
  }
}

const bytesOf = (column: Saved): Uint8Array =>
  new Uint8Array(column.buffer as ArrayBuffer, column.byteOffset, column.byteLength)
