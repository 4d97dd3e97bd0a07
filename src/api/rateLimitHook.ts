import type { FastifyInstance } from 'fastify'
import type { AppDependencies } from './dependencies.ts'
import { problem } from './problem.ts'

/** Refuses callers who ask too often. */
export function limitRates(app: FastifyInstance, deps: Pick<AppDependencies, 'rateLimiter'>): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (!request.caller) return done()
    const { tenant, sub } = request.caller
    const wait = deps.rateLimiter?.take(`${tenant.length}:${tenant}${sub}`)
    if (typeof wait === 'object') wait.then((wait) => done(wait ? tooOften(wait) : undefined), done)
    else done(wait ? tooOften(wait) : undefined)
  })
}

const tooOften = (seconds: number) =>
  problem(429, 'rate_limited', `Too many requests; try again in ${seconds} s.`, {
    headers: { 'retry-after': String(seconds) },
  })
