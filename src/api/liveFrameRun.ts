import type { StoredEvent } from '../domain/envelope.ts'
import { parseStreamName } from '../domain/stream.ts'
import { decode } from '../eventStore/codec.ts'
import { eventFrame } from './liveEventFrame.ts'
import { SharedTexts } from './liveWire.ts'

/** Bytes of frames that go out together: enough that the write costs little beside them, and few beside what may wait for a socket. */
const MOST_BYTES = 64 * 1024

/** The frames of events of one session that follow on each other, made once for all sockets. */
export class FrameRun {
  /** Revisions of the first event and of the last. */
  readonly first: number
  readonly last: number
  readonly texts: SharedTexts

  constructor(first: number, texts: readonly Buffer[]) {
    this.first = first
    this.last = first + texts.length - 1
    this.texts = new SharedTexts(texts)
  }

  /** What comes right after a revision; undefined where something is missing in between. */
  after(revision: number): FrameRun | undefined {
    const known = revision + 1 - this.first
    if (known < 0) return undefined
    return known === 0 ? this : new FrameRun(revision + 1, this.texts.each.slice(known))
  }
}

/** Events of one session, in order of revision, as few runs as may be. */
export function frameRuns(stream: string, events: readonly StoredEvent[]): FrameRun[] {
  const { id } = parseStreamName(stream)!
  const runs: FrameRun[] = []
  let texts: Buffer[] = []
  let first = 0
  let bytes = 0
  for (const event of events) {
    const text = Buffer.from(eventFrame(id, decode(event)))
    bytes += text.length
    if (texts.length > 0 && (bytes > MOST_BYTES || event.revision !== first + texts.length)) {
      runs.push(new FrameRun(first, texts))
      texts = []
    }
    if (texts.length === 0) {
      first = event.revision
      bytes = text.length
    }
    texts.push(text)
  }
  if (texts.length > 0) runs.push(new FrameRun(first, texts))
  return runs
}
