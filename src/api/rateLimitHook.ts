import type { FastifyInstance } from 'fastify'
import type { AppDependencies } from './dependencies.ts'
import { problem } from './problem.ts'

/** Requests that are being answered at a time. More would only wait for each other. */
const MOST_AT_ONCE = 2000

/** Refuses callers who ask too often, and everybody while more is under way than can be answered in time. */
export function limitRates(
  app: FastifyInstance,
  deps: Pick<AppDependencies, 'rateLimiter'>,
  load: { readonly underWay: number },
): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (!request.caller) return done()
    if (load.underWay > MOST_AT_ONCE) return done(overloaded())
    const { tenant, sub } = request.caller
    const wait = deps.rateLimiter?.take(`${tenant.length}:${tenant}${sub}`)
    if (typeof wait === 'object') wait.then((wait) => done(wait ? tooOften(wait) : undefined), done)
    else done(wait ? tooOften(wait) : undefined)
  })
}

/** Requests from their first hook to the end of their answer; sockets stay long and are counted elsewhere. The first of all hooks. */
export function countUnderWay(app: FastifyInstance): { readonly underWay: number } {
  const load = { underWay: 0 }
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.headers.upgrade === undefined) load.underWay += 1
    done()
  })
  app.addHook('onResponse', (request, _reply, done) => {
    if (request.headers.upgrade === undefined) load.underWay -= 1
    done()
  })
  return load
}

const tooOften = (seconds: number) =>
  problem(429, 'rate_limited', `Too many requests; try again in ${seconds} s.`, {
    headers: { 'retry-after': String(seconds) },
  })

const overloaded = () =>
  problem(503, 'overloaded', 'More is asked than can be answered at the moment; try again.', {
    headers: { 'retry-after': '1' },
  })
