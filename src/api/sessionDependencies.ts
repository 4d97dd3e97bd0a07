import type { Sessions } from '../commands/sessions.ts'
import type { Statistics } from '../projections/statistics.ts'
import type { createLogWait } from './after.ts'
import type { AppDependencies } from './dependencies.ts'

/** What the routes of flows and sessions share, made once by `buildApp`. */
export interface SessionDependencies extends AppDependencies {
  readonly sessions: Sessions
  readonly statistics: Statistics
  readonly waitForLog: ReturnType<typeof createLogWait>
}
