import type { Decider } from './decider.ts'
import type { MigratedSession, MigrationEvent } from './migrationEvents.ts'

/** The moving of sessions from one version of a flow to another. It is kept so that one cut off goes on, and one repeated is answered. */
export interface MigrationState {
  readonly status: 'none' | 'running' | 'completed'
  /** In order of their ids. */
  readonly sessions: readonly MigratedSession[]
}

export type MigrationCommand =
  | {
      readonly type: 'StartMigration'
      readonly flowId: string
      readonly from: number
      readonly to: number
      readonly steps: Readonly<Record<string, string>>
    }
  | { readonly type: 'PlanMigration'; readonly sessions: readonly MigratedSession[] }
  | { readonly type: 'CompleteMigration'; readonly stayed: readonly MigratedSession[] }

export const migrationDecider: Decider<MigrationState, MigrationCommand, MigrationEvent> = {
  initial: { status: 'none', sessions: [] },

  decide(command, migration) {
    switch (command.type) {
      case 'StartMigration': {
        if (migration.status !== 'none') return []
        const { flowId, from, to, steps } = command
        return [{ type: 'MigrationStarted', data: { flowId, from, to, steps: { ...steps } } }]
      }
      case 'PlanMigration': {
        if (migration.status !== 'running') return []
        const planned = new Set(migration.sessions.map(({ sessionId }) => sessionId))
        const sessions = command.sessions.filter(({ sessionId }) => !planned.has(sessionId))
        return sessions.length === 0 ? [] : [{ type: 'MigrationPlanned', data: { sessions } }]
      }
      case 'CompleteMigration': {
        if (migration.status !== 'running') return []
        const stayed = [...command.stayed]
        return [
          { type: 'MigrationCompleted', data: { moved: migration.sessions.length - stayed.length, stayed } },
        ]
      }
    }
  },

  evolve(migration, event) {
    switch (event.type) {
      case 'MigrationStarted':
        return { status: 'running', sessions: [] }
      case 'MigrationPlanned':
        return { ...migration, sessions: [...migration.sessions, ...event.data.sessions] }
      case 'MigrationCompleted': {
        const stayed = new Map(event.data.stayed.map((session) => [session.sessionId, session]))
        return {
          status: 'completed',
          sessions: migration.sessions.map((session) => stayed.get(session.sessionId) ?? session),
        }
      }
    }
  },
}
