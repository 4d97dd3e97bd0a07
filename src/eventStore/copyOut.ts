import type pg from 'pg'

/** More than was asked for at most; the connection is thrown away. */
export class TooManyBytes extends Error {
  override readonly name = 'TooManyBytes'
}

/** In bytes. */
export interface CopySize {
  /** So many are made room for at once, */
  readonly expected: number
  /** and more than that is an error. */
  readonly most: number
}

/** Everything that a `COPY … TO STDOUT` writes, on a connection of the pool. @throws TooManyBytes */
export async function copyOut(pool: pg.Pool, text: string, size: CopySize): Promise<Buffer> {
  const client = await pool.connect()
  let fault: Error | undefined
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      client.query(new CopyOut(text, size, (error, bytes) => (error ? reject(error) : resolve(bytes!))))
    })
  } catch (error) {
    fault = error as Error
    throw error
  } finally {
    client.release(fault)
  }
}

/** The part of a connection of `pg` that a query of one's own uses. */
interface Wire {
  query(text: string): void
  readonly stream: { destroy(): void }
}

/**
 * A query as `pg` runs them: it hands over the rows that COPY sends, one message each, as slices of what the socket gave. They are put
 * together here, since a slice would keep the whole of it.
 */
class CopyOut implements pg.Submittable {
  readonly #text: string
  readonly #mostBytes: number
  /** `pg` wraps it to clear its time-out. */
  callback: (error: Error | null, bytes?: Buffer) => void
  #bytes: Buffer
  #at = 0
  #error: Error | null = null

  constructor(text: string, { expected, most }: CopySize, callback: CopyOut['callback']) {
    this.#text = text
    this.#mostBytes = most
    this.#bytes = Buffer.allocUnsafe(Math.min(expected, most))
    this.callback = callback
  }

  submit(connection: pg.Connection): void {
    ;(connection as unknown as Wire).query(this.#text)
  }

  handleCopyData({ chunk }: { chunk: Buffer }, { stream }: Wire): void {
    if (this.#error) return
    const end = this.#at + chunk.length
    if (end > this.#mostBytes) {
      this.handleError(new TooManyBytes(`more than ${this.#mostBytes} bytes`))
      stream.destroy()
      return
    }
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, end))
      this.#bytes.copy(larger, 0, 0, this.#at)
      this.#bytes = larger
    }
    this.#bytes.set(chunk, this.#at)
    this.#at = end
  }

  handleCommandComplete(): void {}

  handleError(error: Error): void {
    if (this.#error) return
    this.#error = error
    this.#bytes = Buffer.alloc(0)
    this.callback(error)
  }

  handleReadyForQuery(): void {
    if (!this.#error) this.callback(null, this.#bytes.subarray(0, this.#at))
  }
}
