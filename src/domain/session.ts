import { type Decider, type Decision, refuse } from './decider.ts'
import { recordDifficulty } from './difficulty.ts'
import { jsonEquals } from './json.ts'
import type { SessionCommand } from './sessionCommands.ts'
import { concludeEstimated } from './sessionConclude.ts'
import type { SessionEvent } from './sessionEvents.ts'
import { migrate } from './sessionMigration.ts'
import {
  abandon,
  complete,
  notActive,
  onStep,
  recordAttributes,
  start,
  submit,
  whenUnlocked,
} from './sessionRules.ts'
import { evolveSession, noSession, pair, type SessionState } from './sessionState.ts'

/** A person's way through one version of a flow. Streams of category `session`; the id is the session's. */
export const sessionDecider: Decider<SessionState, SessionCommand, SessionEvent> = {
  initial: noSession,
  decide,
  evolve: evolveSession,
}

function decide(command: SessionCommand, session: SessionState): Decision<SessionEvent> {
  if (command.type === 'StartSession') return start(command, session)
  if (session.status === 'none') return refuse(404, 'session_unknown', 'There is no such session.')
  switch (command.type) {
    case 'StartStep':
      return onStep(command, session, (standing) =>
        whenUnlocked(standing, () => {
          if (standing.met || standing.state?.startedAt !== undefined) return []
          return [{ type: 'StepStarted', data: { stepId: command.stepId } }]
        }),
      )
    case 'SaveStep':
      return onStep(command, session, (standing) =>
        whenUnlocked(standing, () => {
          const { stepId, data = {} } = command
          const draft = standing.state?.draft
          if (draft !== undefined && jsonEquals(draft.data, data)) return []
          return [{ type: 'StepSaved', data: { stepId, data } }]
        }),
      )
    case 'SubmitStep':
      return onStep(command, session, (standing) =>
        whenUnlocked(standing, () => submit(command, session, standing)),
      )
    case 'SkipStep':
      return onStep(command, session, (standing) => {
        if (standing.met) return []
        const { stepId, reason } = command
        if (!standing.step.skippable)
          return refuse(409, 'step_required', `The step ${stepId} may not be skipped.`)
        return whenUnlocked(standing, () =>
          concludeEstimated(command, session, {
            type: 'StepSkipped',
            data: { stepId, ...(reason !== undefined && { reason }) },
          }),
        )
      })
    case 'ReopenStep':
      return onStep(command, session, (standing) => {
        if (!standing.met) return []
        return concludeEstimated(command, session, { type: 'StepReopened', data: { stepId: command.stepId } })
      })
    case 'PauseSession': {
      if (session.status === 'paused') return []
      if (session.status !== 'active') return notActive(session)
      const { reason } = command
      return [{ type: 'SessionPaused', data: { ...(reason !== undefined && { reason }) } }]
    }
    case 'ResumeSession':
      if (session.status === 'active') return []
      if (session.status !== 'paused') return notActive(session)
      return concludeEstimated(command, session, { type: 'SessionResumed', data: {} })
    case 'CompleteSession':
      return complete(command, session)
    case 'AbandonSession':
      return abandon(command, session)
    case 'TrackSignal': {
      const { signal, value, properties } = command
      return [
        {
          type: 'SignalTracked',
          data: {
            signal,
            ...(value !== undefined && { value }),
            ...(properties !== undefined && { properties }),
          },
        },
      ]
    }
    case 'RecordAttributes':
      return recordAttributes(command, session)
    case 'RecordExposure': {
      const { experiment, variant } = command
      if (session.exposures.has(pair(experiment, variant))) return []
      return [{ type: 'ExposureRecorded', data: { experiment, variant } }]
    }
    case 'RecordDifficulty':
      return recordDifficulty(command, session)
    case 'MigrateSession':
      return migrate(command, session)
  }
}
