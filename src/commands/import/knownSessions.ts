import { LRUCache } from 'lru-cache'
import type { StreamPlace } from '../../eventStore/codec.ts'

/** What an import must know of a session before it may write to it. */
export interface KnownSession {
  readonly place: StreamPlace
  /** Null until the session exists. */
  readonly flowId: string | null
  /** Lines recorded before this import met the session, by id; empty for a session that it began. */
  readonly lines: ReadonlySet<string>
}

export const NO_LINES: ReadonlySet<string> = new Set()
const MOST_SESSIONS = 200_000
const MOST_LINES = 2_000_000
const CHAIN_BYTES = 32

/**
 * The sessions that an import met lately; who is forgotten is looked up again. Those that it began itself, which may be nearly all of a long
 * file, are kept as numbers and bytes: some 110 bytes each, of which the collector sees two objects.
 */
export class KnownSessions {
  readonly #flowId: string
  readonly #generation: number
  #young: Generation
  #old: Generation
  readonly #others = new LRUCache<string, KnownSession>({
    max: MOST_SESSIONS,
    maxSize: MOST_LINES,
    sizeCalculation: (session) => 1 + session.lines.size,
  })

  /** `flowId`: of the sessions that the import begins. `most`: that many of them are kept, or half as many. */
  constructor(flowId: string, most = MOST_SESSIONS) {
    this.#flowId = flowId
    this.#generation = Math.ceil(most / 2)
    this.#young = new Generation()
    this.#old = new Generation()
  }

  get(session: string): KnownSession | undefined {
    const place = this.#young.get(session) ?? this.#old.get(session)
    return place ? { place, flowId: this.#flowId, lines: NO_LINES } : this.#others.get(session)
  }

  set(session: string, known: KnownSession): void {
    const { place, flowId, lines } = known
    if (place === 'no_stream' || flowId !== this.#flowId || lines.size > 0) {
      this.delete(session)
      this.#others.set(session, known)
      return
    }
    this.#others.delete(session)
    this.#old.delete(session)
    this.#young.set(session, place)
    if (this.#young.size < this.#generation) return
    this.#old = this.#young
    this.#young = new Generation()
  }

  delete(session: string): void {
    this.#young.delete(session)
    this.#old.delete(session)
    this.#others.delete(session)
  }
}

type Place = Exclude<StreamPlace, 'no_stream'>

class Generation {
  readonly #numbers = new Map<string, number>()
  #revisions = new Uint32Array(1024)
  #chains = Buffer.alloc(1024 * CHAIN_BYTES)
  #next = 0

  get size(): number {
    return this.#next
  }

  get(session: string): Place | undefined {
    const number = this.#numbers.get(session)
    if (number === undefined) return undefined
    const at = number * CHAIN_BYTES
    return { revision: this.#revisions[number]!, chain: this.#chains.toString('hex', at, at + CHAIN_BYTES) }
  }

  set(session: string, { revision, chain }: Place): void {
    let number = this.#numbers.get(session)
    if (number === undefined) {
      number = this.#next++
      this.#numbers.set(session, number)
      if (number === this.#revisions.length) this.#grow()
    }
    this.#revisions[number] = revision
    this.#chains.write(chain, number * CHAIN_BYTES, 'hex')
  }

  delete(session: string): void {
    this.#numbers.delete(session)
  }

  #grow(): void {
    const revisions = new Uint32Array(this.#revisions.length * 2)
    revisions.set(this.#revisions)
    this.#revisions = revisions
    this.#chains = Buffer.concat([this.#chains, Buffer.alloc(this.#chains.length)])
  }
}
