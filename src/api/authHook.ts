import type { FastifyInstance } from 'fastify'
import { authenticate, authorize, type Caller } from './auth.ts'
import type { AppDependencies } from './dependencies.ts'
import { notFound } from './problem.ts'
import type { Reach } from './roles.ts'
import { isPlain } from './validation.ts'

const MAX_ID = 200

/**
 * Puts `caller` and `reach` on every request of a route that is not public, and refuses to start with a route that names neither a
 * permission nor that it is public: forgetting it must not open a door.
 */
export function requireTokens(app: FastifyInstance, deps: Pick<AppDependencies, 'verifyToken'>): void {
  app.decorateRequest('caller', null as unknown as Caller)
  app.decorateRequest('reach', null as unknown as Reach)
  app.addHook('onRoute', (route) => {
    const { permission, public: open } = route.config ?? {}
    if (!permission && !open && route.method !== 'OPTIONS')
      throw new Error(`${route.method} ${route.url} names neither a permission nor that it is public`)
  })
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.is404) return done()
    const { permission, public: open } = request.routeOptions.config
    if (open || !permission) return done()
    const admit = (caller: Caller) => {
      request.caller = caller
      request.reach = authorize(caller, permission)
      const params = request.params as Record<string, string>
      for (const name in params) checkName(name, params[name]!)
    }
    let caller: Caller | Promise<Caller>
    try {
      caller = authenticate(deps.verifyToken, request)
      if (!(caller instanceof Promise)) admit(caller)
    } catch (error) {
      return done(error as Error)
    }
    if (caller instanceof Promise) caller.then(admit).then(() => done(), done)
    else done()
  })
}

/** The name of a stream holds a tenant and an id. @throws ProblemError 404 */
function checkName(name: string, id: string): void {
  if ((id.length > MAX_ID && name !== 'stream') || !isPlain(id))
    throw notFound('not_found', 'There is nothing of that name.')
}
