import type { Readable } from 'node:stream'
import { Silence } from './eventStoreDbErrors.ts'

/** A read or subscription of the client. It is a Readable, whose types there are older than Node's. */
export interface Source<T> {
  [Symbol.asyncIterator](): AsyncIterableIterator<T>
  cancel?(): Promise<void>
  unsubscribe?(): Promise<void>
}

export interface InboxOptions {
  /** Items held at most. */
  readonly limit: number
  /**
   * At the limit a read is paused, and so is a subscription that still catches up. A live one is ended here, before the server drops it
   * as too slow; what it held is still taken.
   */
  readonly kind: 'read' | 'subscription'
}

/** What came since the last time: at least one item, or the word that it caught up. */
export interface Delivery<T> {
  readonly items: T[]
  readonly caughtUp: boolean
}

/** Takes what a client stream delivers as fast as it comes, and hands it on in chunks, with an eye on the clock while it waits. */
export class Inbox<T> {
  readonly #source: Source<T> & Readable
  #items: T[] = []
  #caughtUp = false
  #live = false
  #caughtUpBehindBuffer = false
  #ended = false
  #error: Error | undefined
  #wake = () => {}

  constructor(stream: Source<T>, options: InboxOptions) {
    const source = stream as unknown as Source<T> & Readable
    this.#source = source
    source.on('data', (item: T) => {
      this.#items.push(item)
      if (this.#caughtUpBehindBuffer) this.#noteCaughtUp()
      if (this.#items.length >= options.limit) {
        if (options.kind === 'subscription' && this.#live) this.cancel()
        else source.pause()
      }
      this.#wake()
    })
    // Stays for good: an error without a listener, after the last item was taken, would end the process.
    source.on('error', (error: Error) => {
      this.#error ??= error
      this.#wake()
    })
    source.on('end', () => this.#end())
    source.on('close', () => {
      if (!this.#ended) this.#error ??= new Error('The client closed the stream before its end')
      this.#end()
    })
    source.on('caughtUp', () => this.#noteCaughtUp())
  }

  /** The next delivery; undefined at the end. Throws what the stream threw, or Silence. */
  async take(silenceMs: number): Promise<Delivery<T> | undefined> {
    if (!this.#ready()) await this.#something(silenceMs)
    if (this.#items.length > 0 || this.#caughtUp) {
      const delivery = { items: this.#items, caughtUp: this.#caughtUp }
      this.#items = []
      this.#caughtUp = false
      if (this.#source.isPaused()) this.#source.resume()
      return delivery
    }
    if (this.#error) throw this.#error
    if (this.#ended) return undefined
    throw new Silence('read', silenceMs)
  }

  get empty(): boolean {
    return this.#items.length === 0
  }

  cancel(): void {
    this.#end()
    this.#source.resume()
    const cancelled = this.#source.cancel?.() ?? this.#source.unsubscribe?.()
    cancelled?.catch(() => {})
  }

  /** The word overtakes events that are still in the stream's own buffer: it counts once they are here. */
  #noteCaughtUp(): void {
    this.#live = true
    this.#caughtUpBehindBuffer = this.#source.readableLength > 0
    if (this.#caughtUpBehindBuffer) return
    this.#caughtUp = true
    this.#wake()
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }

  #ready(): boolean {
    return this.#items.length > 0 || this.#caughtUp || this.#ended || this.#error !== undefined
  }

  #something(silenceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve()
      }
      const timer = setTimeout(done, silenceMs)
      this.#wake = done
    })
  }
}
