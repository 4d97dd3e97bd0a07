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
  app.addHook('onRequest', async (request) => {
    if (request.is404) return
    const { permission, public: open } = request.routeOptions.config
    if (open || !permission) return
    request.caller = await authenticate(deps.verifyToken, request)
    request.reach = authorize(request.caller, permission)
    // The name of a stream holds a tenant and an id.
    for (const [name, id] of Object.entries(request.params as Record<string, string>))
      if ((id.length > MAX_ID && name !== 'stream') || !isPlain(id))
        throw notFound('not_found', 'There is nothing of that name.')
  })
}
