import type pg from 'pg'

/** The message that brings rows (PostgreSQL, “Message Formats”): this, its length without it as int32, the rows. */
export const COPY_DATA = 0x64
/** The message that no more come. */
export const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4])

/**
 * Sends a `COPY … FROM STDIN`, whatever statements follow it in the same text, and its rows at once, without waiting to be asked for them: a
 * server that refuses the statement passes over the rows. `messages`: CopyData and CopyDone as they go over the wire.
 */
export function copyIn(client: pg.ClientBase, text: string, messages: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(text, messages, (error) => (error ? reject(error) : resolve())))
  })
}

/** The part of a connection of `pg` that a query of one's own uses. */
interface Wire {
  query(text: string): void
  readonly stream: { cork(): void; uncork(): void; write(bytes: Buffer): boolean }
}

/** A query as `pg` runs them. */
class CopyIn implements pg.Submittable {
  readonly #text: string
  readonly #messages: Buffer
  /** `pg` wraps it to clear its time-out. */
  callback: (error: Error | null) => void
  #failed = false

  constructor(text: string, messages: Buffer, callback: CopyIn['callback']) {
    this.#text = text
    this.#messages = messages
    this.callback = callback
  }

  submit(connection: pg.Connection): void {
    const { stream } = connection as unknown as Wire
    stream.cork()
    ;(connection as unknown as Wire).query(this.#text)
    stream.write(this.#messages)
    stream.uncork()
  }

  handleCopyInResponse(): void {}

  handleCommandComplete(): void {}

  handleError(error: Error): void {
    if (this.#failed) return
    this.#failed = true
    this.callback(error)
  }

  handleReadyForQuery(): void {
    if (!this.#failed) this.callback(null)
  }
}
