import type { FastifyInstance } from 'fastify'

/** Whether more is under way than can be answered in time. */
export interface Load {
  readonly full: boolean
  readonly underWay: number
}

/** What waits may take together: as many requests are let in as were lately answered in this time. */
const WAIT_MS = 400
/** An answer that takes longer on average says that there is a queue. */
const SLOW_MS = 25
/** However slow: so many at a time do no harm, and the start of a burst says nothing yet. */
const LEAST = 128
/** However fast. */
const MOST = 2000
const LOOK_MS = 50

/**
 * Counts requests from their first hook to the end of their answer, and learns how many are answered a second. By Little's law what
 * waits then waits no longer than `WAIT_MS`: more would only wait for each other, and their clients would ask again meanwhile. Sockets
 * stay long and are counted elsewhere. The first of all hooks.
 */
export function watchLoad(app: FastifyInstance, now: () => number = () => performance.now()): Load {
  const load = createLoad(now)
  app.addHook('onRequest', (request, reply, done) => {
    if (request.headers.upgrade === undefined) {
      load.begun()
      // Also where the client left in the middle of its request, for which there is no answer and no `onResponse`.
      reply.raw.once('close', () =>
        load.ended(reply.elapsedTime, reply.raw.writableFinished && reply.statusCode !== 503),
      )
    }
    done()
  })
  return load
}

interface CountedLoad extends Load {
  begun(): void
  /** `ms` after it began; `done`: whether it was work. */
  ended(ms: number, done: boolean): void
}

export function createLoad(now: () => number): CountedLoad {
  let underWay = 0
  /** Requests a second. */
  let learned = 0
  let looked = now()
  let answered = 0
  let waited = 0
  let slow = false
  let wasFull = false

  const look = () => {
    const elapsed = now() - looked
    if (elapsed < LOOK_MS) return
    const rate = (answered * 1000) / elapsed
    // What was answered is the least it can do, and the most once requests were refused.
    if (rate > learned) learned += (rate - learned) * 0.5
    else if (wasFull) learned += (rate - learned) * 0.1
    // Without an answer there is nothing new to know.
    if (answered > 0) slow = waited / answered > SLOW_MS
    else if (underWay === 0) slow = false
    looked = now()
    answered = 0
    waited = 0
    wasFull = false
  }
  return {
    begun() {
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
      const most = Math.min(MOST, Math.max(LEAST, (learned * WAIT_MS) / 1000))
      const full = underWay > MOST || (slow && underWay > most)
      wasFull ||= full
      return full
    },
  }
}
