import { streamName } from '../domain/stream.ts'
import type { Caller } from './auth.ts'
import type { LiveSessions } from './liveSessions.ts'
import { reachOf } from './roles.ts'
import { isPlain } from './validation.ts'

/** Whether a caller may watch a session of their own tenant that belongs to the user. */
export function mayJoin(caller: Caller, userId: string | null): boolean {
  const reach = reachOf(caller.roles, 'live.join')
  return reach === 'tenant' || (reach === 'own' && userId === caller.sub)
}

export interface JoinableStream {
  readonly stream: string
  /** Whose session it is. */
  readonly userId: string | null
}

/** The stream of a session that the caller may watch, or the refusal. Someone else's session looks like none. */
export async function joinStream(
  sessions: LiveSessions,
  caller: Caller,
  sessionId: string,
): Promise<JoinableStream | { readonly code: string; readonly detail: string }> {
  if (!reachOf(caller.roles, 'live.join'))
    return { code: 'forbidden', detail: 'None of your roles may do this (live.join).' }
  const owner = isPlain(sessionId) ? await sessions.owner(caller.tenant, sessionId) : undefined
  if (!owner || !mayJoin(caller, owner.userId))
    return { code: 'not_found', detail: 'There is no such session.' }
  return { stream: streamName('session', caller.tenant, sessionId), userId: owner.userId }
}
