/** Events that are worth a group of their own beside one that is on its way. */
const ENOUGH = 32
/** Nobody waits longer than this for others to come. */
const GATHER_MS = 5
/** What is on its way for so long may be stuck: others wait for it no longer. */
const PATIENCE_MS = 100

export interface GatherOptions {
  /** Events that wait, counted no further than `upTo`. */
  readonly waiting: (upTo: number) => number
  /** Groups on their way, and how many may be. */
  readonly underWay: () => number
  readonly most: number
  /** Sends what waits, as far as it fits one group. */
  readonly send: () => void
}

/**
 * Decides when what waits for the log goes. A group costs some 0.5 ms whatever is in it, so the larger the better, as long as nobody waits
 * for nothing: it goes when a turn of the event loop brought no more, which of a single writer is at once and under load is when others
 * wait for it; and not beside another one unless it is large. Answers what is to be called when something waits or a group came back.
 */
export function createGathering({ waiting, underWay, most, send }: GatherOptions): () => void {
  let gathering = false
  let sentAt = 0
  const ready = () => {
    const groups = underWay()
    if (groups >= most) return false
    const events = waiting(ENOUGH)
    if (events === 0 || groups === 0) return events > 0
    return events >= ENOUGH || performance.now() - sentAt > PATIENCE_MS
  }
  return () => {
    if (gathering || !ready()) return
    gathering = true
    const since = performance.now()
    let before = 0
    const look = () => {
      const events = waiting(ENOUGH)
      if (events > before && events < ENOUGH && performance.now() - since < GATHER_MS) {
        before = events
        setImmediate(look)
        return
      }
      gathering = false
      while (ready()) {
        sentAt = performance.now()
        send()
      }
    }
    setImmediate(look)
  }
}
