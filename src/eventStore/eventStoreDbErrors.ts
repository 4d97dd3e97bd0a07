import type { Metadata } from '@grpc/grpc-js'
import { EventStoreUnavailable } from './eventStore.ts'

/** Nothing came for so long that the connection, or the client, must be taken for dead. */
export class Silence extends Error {
  override readonly name = 'Silence'
  constructor(what: string, ms: number) {
    super(`${what}: nothing came for ${ms} ms`)
  }
}

/** Errors after which the client itself reconnects or asks for the leader; `timeout` is how it names gRPC's ABORTED (too slow). */
const MENDED_BY_CLIENT = new Set(['unavailable', 'not-leader', 'cancelled', 'timeout', 'access-denied'])

const UNAVAILABLE = 14
const CANCELLED = 1

export function isClientsBusiness(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { type, code, metadata } = error as { type?: unknown; code?: unknown; metadata?: Partial<Metadata> }
  // The append stream fails with a bare error of gRPC, whose trailers name what the client has types for.
  const kind = type ?? metadata?.get?.('exception')[0]
  if (typeof kind === 'string' && MENDED_BY_CLIENT.has(kind)) return true
  // Discovery fails with a bare Error, and begins anew with the next call.
  return code === UNAVAILABLE || code === CANCELLED || error.message.startsWith('Failed to discover')
}

export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return text === '' ? 'no reason given' : text
}

export interface RetryOptions {
  /** Milliseconds without any progress after which it gives up. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

const FIRST_WAIT_MS = 20
const LONGEST_WAIT_MS = 1_000

/** Waits between tries: exponential, with jitter so that many nodes do not come back at once, until a deadline without progress. */
export class Retry {
  readonly #options: RetryOptions
  #since = Date.now()
  #tries = 0

  constructor(options: RetryOptions) {
    this.#options = options
  }

  get tries(): number {
    return this.#tries
  }

  /** Something came through: the deadline and the waits start anew. */
  progress(): void {
    this.#since = Date.now()
    this.#tries = 0
  }

  /** Milliseconds left. */
  get left(): number {
    return this.#options.deadlineMs - (Date.now() - this.#since)
  }

  /** Waits for the next try. Throws EventStoreUnavailable when the deadline has passed. */
  async again(error: unknown): Promise<void> {
    if (error instanceof EventStoreUnavailable) throw error
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries) * (0.5 + Math.random() / 2)
    this.#tries += 1
    if (this.left <= wait) {
      throw new EventStoreUnavailable(`EventStoreDB does not answer: ${messageOf(error)}`, { cause: error })
    }
    await pause(wait, this.#options.signal)
    if (this.#options.signal?.aborted) throw new EventStoreUnavailable('The log is closed')
  }
}

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}
