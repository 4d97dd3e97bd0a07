import type { FastifyInstance } from 'fastify'
import type { RateLimiter } from '../services/rateLimit.ts'
import type { Caller } from './auth.ts'
import type { AppDependencies } from './dependencies.ts'
import { problem } from './problem.ts'

/** Refuses callers who ask too often. */
export function limitRates(app: FastifyInstance, deps: Pick<AppDependencies, 'rateLimiter'>): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (!request.caller) return done()
    const wait = secondsToWait(deps.rateLimiter, request.caller)
    if (typeof wait === 'object') wait.then((wait) => done(wait ? tooOften(wait) : undefined), done)
    else done(wait ? tooOften(wait) : undefined)
  })
}

/** Counts a request of the caller; undefined while they may go on. */
export const secondsToWait = (limiter: RateLimiter | undefined, { tenant, sub }: Caller) =>
  limiter?.take(`${tenant.length}:${tenant}${sub}`)

export const tooOften = (seconds: number) =>
  problem(429, 'rate_limited', `Too many requests; try again in ${seconds} s.`, {
    headers: { 'retry-after': String(seconds) },
  })
