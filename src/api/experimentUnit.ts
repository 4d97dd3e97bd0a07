import type { FastifyRequest } from 'fastify'
import { sessionAggregate } from '../commands/aggregates.ts'
import { sessionUnknown } from '../commands/sessions.ts'
import type { JsonObject } from '../domain/json.ts'
import type { AppDependencies } from './dependencies.ts'
import { inputFaults, problem, refused } from './problem.ts'
import { mayKnow } from './sessionRoutes.ts'

type Asking = Pick<FastifyRequest, 'caller' | 'reach'> & {
  readonly body: { readonly userId?: string; readonly sessionId?: string }
}

/**
 * The unit that an assignment asks about, with what is known of its session. A session stands for its user where users are assigned.
 * @throws ProblemError 403 for another user, 404 for another's session, 422 where the body names no unit of the kind
 */
export async function unitOf(
  { handle }: Pick<AppDependencies, 'handle'>,
  request: Asking,
  unit: 'user' | 'session',
): Promise<{ readonly unitId: string; readonly known: JsonObject }> {
  const { caller, reach } = request
  const { userId, sessionId } = request.body
  if ((userId === undefined) === (sessionId === undefined))
    throw inputFaults([
      { pointer: userId === undefined ? '' : '/sessionId', detail: 'either userId or sessionId is expected' },
    ])
  if (userId !== undefined) {
    if (unit === 'session')
      throw inputFaults([
        { pointer: '/userId', detail: 'this experiment assigns sessions: give a sessionId' },
      ])
    if (reach === 'own' && userId !== caller.sub)
      throw problem(403, 'forbidden', 'A participant is assigned for themselves only.')
    return { unitId: userId, known: {} }
  }
  const session = await handle.load(sessionAggregate, caller.tenant, sessionId!)
  const unknown = refused(sessionUnknown)
  if (session && !mayKnow(request)(session.state)) throw unknown
  // A session may be one of somewhere else, as long as nothing but its id is needed.
  if (!session && (reach === 'own' || unit === 'user')) throw unknown
  const known = session?.state.context ?? {}
  return { unitId: unit === 'user' ? (session!.state.userId ?? sessionId!) : sessionId!, known }
}
