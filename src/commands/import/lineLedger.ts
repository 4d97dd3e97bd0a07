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
  readonly #high: Uint32Array
  readonly #low: Uint32Array
  readonly #counts: Uint32Array
  #used = 0
  #spill: Spill | undefined

  /** `capacity`: lines held in memory, a power of two; 12 bytes each. */
  constructor(capacity = 1 << 22) {
    this.#capacity = capacity
    this.#high = new Uint32Array(capacity)
    this.#low = new Uint32Array(capacity)
    this.#counts = new Uint32Array(capacity)
  }

  /** A digest of the line (SHA-1, base64url) and the number of equal lines of the session before it; counts this one. */
  next(session: string, content: string): { digest: string; before: number } {
    const digest = hash('sha1', `${session.length}:${session}${content}`, 'buffer')
    return {
      digest: digest.toString('base64url'),
      before: this.#count(digest.readUInt32LE(0), digest.readUInt32LE(4)),
    }
  }

  #count(high: number, low: number): number {
    const mask = this.#capacity - 1
    let slot = low & mask
    while (this.#counts[slot] !== 0) {
      if (this.#low[slot] === low && this.#high[slot] === high) {
        const before = this.#counts[slot]! - 1
        this.#counts[slot]! += 1
        return before
      }
      slot = (slot + 1) & mask
    }
    const before = this.#spill?.count(high, low) ?? 0
    this.#high[slot] = high
    this.#low[slot] = low
    this.#counts[slot] = before + 2
    this.#used += 1
    if (this.#used > this.#capacity * 0.7) this.#moveOut()
    return before
  }

  close(): void {
    this.#spill?.close()
    this.#spill = undefined
  }

  #moveOut(): void {
    this.#spill ??= new Spill()
    this.#spill.write((put) => {
      for (let slot = 0; slot < this.#capacity; slot++)
        if (this.#counts[slot] !== 0) put(this.#high[slot]!, this.#low[slot]!, this.#counts[slot]! - 1)
    })
    this.#counts.fill(0)
    this.#used = 0
  }
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
