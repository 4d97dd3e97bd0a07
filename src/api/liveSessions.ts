import type { Flows } from '../commands/flows.ts'
import type { Handle } from '../commands/handle.ts'
import { flowOfSession } from '../domain/flowOverrides.ts'
import { sessionDecider } from '../domain/session.ts'
import { progressView } from '../domain/sessionView.ts'
import { frameText } from './liveFrames.ts'

/** Sessions as the live socket sees them. */
export interface LiveSessions {
  /** Whose it is; undefined when there is none. */
  owner(tenant: string, sessionId: string): Promise<{ readonly userId: string | null } | undefined>
  /** The `progress_update` frame, as of now; undefined when there is no such session. */
  progressFrame(tenant: string, sessionId: string): Promise<string | undefined>
}

const sessions = { category: 'session', decider: sessionDecider }

export function createLiveSessions({ handle, flows }: { handle: Handle; flows: Flows }): LiveSessions {
  return {
    async owner(tenant, sessionId) {
      const loaded = await handle.load(sessions, tenant, sessionId)
      return loaded && { userId: loaded.state.userId }
    },
    async progressFrame(tenant, sessionId) {
      const loaded = await handle.load(sessions, tenant, sessionId)
      if (!loaded) return undefined
      const { state, revision } = loaded
      const published = await flows.find(tenant, state.flowId, state.flowVersion)
      if (!published) return undefined
      const progress = progressView(state, flowOfSession(published.flow, state))
      return frameText('progress_update', {
        sessionId,
        revision,
        ...progress,
        completedSteps: [...progress.completedSteps],
        remainingSteps: [...progress.remainingSteps],
        milestones: [...progress.milestones],
      })
    },
  }
}
