import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/**
 * How many equal lines of a session came before, over a file of any size: counts stand in a fixed table in memory, and move to a
 * temporary SQLite file each time it is full. Lines are told apart by 64 bits of SHA-1; two lines that collide would merely be
 * numbered as if they were equal, each time alike.
 */
export class LineLedger {
  readonly #capacity: number
  /** Three numbers a place: the line's 64 bits, and how often it was seen and one more; 0 is an empty place. */
  readonly #table: Uint32Array
  #used = 0
  #spill: Spill | undefined

  /** `capacity`: lines held in memory, a power of two; 12 bytes each. */
  constructor(capacity = 1 << 22) {
    this.#capacity = capacity
    this.#table = new Uint32Array(capacity * 3)
  }

  /** A digest of the line (SHA-1, base64url) and the number of equal lines of the session before it; counts this one. */
  next(session: string, content: string): { digest: string; before: number } {
    const digest = hash('sha1', `${session.length}:${session}${content}`, 'base64url')
    const rest = sixBits(digest, 10)
    return {
      digest,
      before: this.#count(thirtyBits(digest, 0, rest & 3), thirtyBits(digest, 5, (rest >> 2) & 3)),
    }
  }

  #count(high: number, low: number): number {
    const table = this.#table
    const mask = this.#capacity - 1
    let slot = low & mask
    for (let at = slot * 3; table[at + 2] !== 0; at = slot * 3) {
      if (table[at + 1] === low && table[at] === high) {
        table[at + 2]! += 1
        return table[at + 2]! - 2
      }
      slot = (slot + 1) & mask
    }
    const before = this.#spill?.count(high, low) ?? 0
    table.set([high, low, before + 2], slot * 3)
    this.#used += 1
    if (this.#used > this.#capacity * 0.7) this.#moveOut()
    return before
  }

  close(): void {
    this.#spill?.close()
    this.#spill = undefined
  }

  #moveOut(): void {
    const table = this.#table
    this.#spill ??= new Spill()
    this.#spill.write((put) => {
      for (let at = 0; at < table.length; at += 3)
        if (table[at + 2] !== 0) put(table[at]!, table[at + 1]!, table[at + 2]! - 1)
    })
    table.fill(0)
    this.#used = 0
  }
}

/** What a character of base64url stands for. */
const SIX_BITS = new Uint8Array(128)
for (let value = 0; value < 64; value++)
  SIX_BITS['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.charCodeAt(value)] = value

function sixBits(digest: string, at: number): number {
  return SIX_BITS[digest.charCodeAt(at)]!
}

/** Thirty bits of a digest after two more. */
function thirtyBits(digest: string, at: number, two: number): number {
  let bits = two
  for (let i = at; i < at + 5; i++) bits = (bits << 6) | sixBits(digest, i)
  return bits >>> 0
}

class Spill {
  readonly #folder = mkdtempSync(join(tmpdir(), 'gangway-import-'))
  readonly #database = new DatabaseSync(join(this.#folder, 'lines.db'))
  readonly #select: StatementSync
  readonly #upsert: StatementSync

  constructor() {
    this.#database.exec(
      'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE line (key INTEGER PRIMARY KEY, seen INTEGER) WITHOUT ROWID',
    )
    this.#select = this.#database.prepare('SELECT seen FROM line WHERE key = ?')
    this.#upsert = this.#database.prepare('INSERT OR REPLACE INTO line VALUES (?, ?)')
  }

  count(high: number, low: number): number {
    const row = this.#select.get(key(high, low))
    return row ? Number(row.seen) : 0
  }

  write(all: (put: (high: number, low: number, seen: number) => void) => void): void {
    this.#database.exec('BEGIN')
    all((high, low, seen) => this.#upsert.run(key(high, low), seen))
    this.#database.exec('COMMIT')
  }

  close(): void {
    this.#database.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function key(high: number, low: number): bigint {
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low))
}
