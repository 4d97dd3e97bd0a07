/** Whether more is under way than can be answered in time. */
export interface Load {
  readonly full: boolean
  readonly underWay: number
  begun(): void
  /** `ms` after it began; `done`: whether it was work. */
  ended(ms: number, done: boolean): void
}

/** What waits may take together: as many requests are let in as are answered in this time. */
const WAIT_MS = 400
/** An answer that takes longer on average says that there is a queue. */
const SLOW_MS = 25
/** However slow: so many at a time do no harm. */
const LEAST = 64
/** However fast, and as long as nothing is known: a burst of so many is answered within a second, or nearly. */
const MOST = 1000
const LOOK_MS = 50
/** What was learned from a queue says nothing any more when there has been none for so long. */
const KNOWN_MS = 5000

/**
 * Is told of requests from the moment they were read to the end of their answer, and learns from queues how many are answered a
 * second: without one it is no more than what was asked. By Little's law what waits then waits no longer than `WAIT_MS`: more would only
 * wait for each other, and their clients would ask again meanwhile.
 */
export function createLoad(now: () => number = () => performance.now()): Load {
  let underWay = 0
  /** Requests a second; 0 while it is not known. */
  let capacity = 0
  let queueSeen = Number.NEGATIVE_INFINITY
  let looked = now()
  let answered = 0
  let waited = 0
  let wasFull = false

  const look = () => {
    const at = now()
    const elapsed = at - looked
    if (elapsed < LOOK_MS) return
    const rate = (answered * 1000) / elapsed
    const waits = answered > 0 && (waited / answered > SLOW_MS || underWay > (rate * WAIT_MS) / 1000)
    if (wasFull || waits) queueSeen = at
    if (at - queueSeen > KNOWN_MS) capacity = 0
    else if (capacity === 0) capacity = rate
    // What was answered is the least it can do, and the most once requests were refused.
    else if (rate > capacity) capacity += (rate - capacity) * 0.5
    else if (wasFull) capacity += (rate - capacity) * 0.1
    lookFrom(at)
  }
  const lookFrom = (at: number) => {
    looked = at
    answered = 0
    waited = 0
    wasFull = false
  }
  return {
    begun() {
      // Time without anything to do says nothing about how much can be done.
      if (underWay === 0) lookFrom(now())
      underWay += 1
      look()
    },
    ended(ms, done) {
      underWay -= 1
      if (done) {
        answered += 1
        waited += ms
      }
      look()
    },
    get underWay() {
      return underWay
    },
    get full() {
      const known = capacity > 0 && now() - queueSeen < KNOWN_MS
      const most = known ? Math.min(MOST, Math.max(LEAST, (capacity * WAIT_MS) / 1000)) : MOST
      const full = underWay >= most
      wasFull ||= full
      return full
    },
  }
}
