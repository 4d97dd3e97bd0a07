import type { NewEvent } from '../../domain/envelope.ts'
import type { StreamPlace } from '../../eventStore/codec.ts'
import type { Append } from '../../eventStore/eventStore.ts'

const APPEND_BYTES = 900_000
const ENVELOPE_BYTES = 1024

/** Appends of at most `APPEND_BYTES`, which follow each other in one stream. */
export class AppendPortions {
  readonly #stream: string
  readonly #appends: Append[] = []
  #revision: number
  #portion: NewEvent[] = []
  #size = 0

  constructor(stream: string, after: StreamPlace) {
    this.#stream = stream
    this.#revision = after === 'no_stream' ? -1 : after.revision
  }

  /** `bytes`: of its data, roughly. */
  add(event: NewEvent, bytes: number): void {
    const own = bytes + ENVELOPE_BYTES
    if (this.#size + own > APPEND_BYTES) this.#close()
    this.#portion.push(event)
    this.#size += own
  }

  appends(): readonly Append[] {
    this.#close()
    return this.#appends
  }

  #close(): void {
    const events = this.#portion
    if (events.length === 0) return
    this.#appends.push({
      stream: this.#stream,
      events,
      expected: this.#revision < 0 ? 'no_stream' : this.#revision,
    })
    this.#revision += events.length
    this.#portion = []
    this.#size = 0
  }
}
