/** Whether more is under way than can be answered in time. */
export interface Load {
  readonly full: boolean
  readonly underWay: number
  /** Answers what is to be called at its end; `done`: whether it was work. */
  begun(): (done: boolean) => void
}

/** What waits may take together: as many requests are let in as are answered in this time. */
const WAIT_MS = 125
/** However slow: so many at a time do no harm. */
const LEAST = 64
/** However fast, and as long as nothing is known: a burst of so many is answered within a second, or nearly. */
const MOST = 1000
/** Who waited for so long while so many others were answered waited for them. */
const QUEUE_MS = 25
const QUEUE_LENGTH = 8
/** What was learned from a queue says nothing any more when there has been none for so long. */
const KNOWN_MS = 5000
/** What a request says of the rate counts less with each that follows; the last 50 make up two thirds. */
const FADE = 0.98

/**
 * Is told of requests from the moment they were read to the end of their answer, and learns from those that wait how many are
 * answered a second: without a queue it is no more than what was asked. Each says how many were answered while it was under way, so
 * that the time looked at is as long as the queue, and answers that come in gusts mislead nobody (BBR measures a path's bandwidth
 * alike). By Little's law what waits then waits no longer than `WAIT_MS`: more would only wait for each other, and their clients would ask
 * again meanwhile.
 */
export function createLoad(now: () => number = () => performance.now()): Load {
  let underWay = 0
  let answered = 0
  /** Of those that waited: how many were answered meanwhile, and for how many milliseconds. */
  let meanwhile = 0
  let waited = 0
  let queueSeen = Number.NEGATIVE_INFINITY

  const learn = (began: number, before: number) => {
    const at = now()
    const others = answered - before
    if (at - began < QUEUE_MS || others < QUEUE_LENGTH) return
    // What was before a pause is of another time.
    const fade = at - queueSeen > KNOWN_MS ? 0 : FADE
    meanwhile = meanwhile * fade + others
    waited = waited * fade + at - began
    queueSeen = at
  }
  return {
    begun() {
      const began = now()
      const before = answered
      underWay += 1
      return (done) => {
        underWay -= 1
        if (!done) return
        answered += 1
        learn(began, before)
      }
    },
    get underWay() {
      return underWay
    },
    get full() {
      if (underWay < LEAST) return false
      if (underWay >= MOST) return true
      const at = now()
      if (at - queueSeen >= KNOWN_MS || underWay <= (meanwhile / waited) * WAIT_MS) return false
      // As long as it refuses there is one, whether or not anybody came out of it.
      queueSeen = at
      return true
    },
  }
}
