import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** Whoever sends requests here learns of the end by asking for readiness, and that takes a while. */
export interface Drain {
  /**
   * Goes on serving until those who ask for readiness were told and have sent nothing else for a second, at most `mostMs`. Answers at
   * once where nobody has asked lately: then there is nobody to tell. From the call on connections end with their next answer.
   */
  drained(mostMs: number): Promise<void>
}

const READINESS = '/health/ready'
/** Probes are seconds apart. */
const ASKED_WITHIN_MS = 15_000
const QUIET_MS = 1000
const LOOK_MS = 20

export function watchTraffic(server: Server): Drain {
  let draining = false
  let told = false
  let asked = Number.NEGATIVE_INFINITY
  let served = Number.NEGATIVE_INFINITY
  server.prependListener('request', ({ url }: IncomingMessage, response: ServerResponse) => {
    const now = performance.now()
    if (url !== READINESS) served = now
    else {
      asked = now
      told = draining
    }
    if (draining) response.setHeader('connection', 'close')
  })
  return {
    async drained(mostMs) {
      const begun = performance.now()
      draining = true
      if (begun - asked > ASKED_WITHIN_MS) return
      const isQuiet = () => told && performance.now() - Math.max(served, begun) > QUIET_MS
      while (performance.now() - begun < mostMs && !isQuiet()) await delay(LOOK_MS)
    },
  }
}
