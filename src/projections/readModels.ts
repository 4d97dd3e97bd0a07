import { definitions } from './definitions.ts'
import { assignments, experiments } from './experiments.ts'
import { flows, flowVersions } from './flows.ts'
import { imports } from './imports.ts'
import type { AnyProjection } from './projection.ts'
import { sessions } from './sessions.ts'
import { signals } from './signals.ts'
import { steps } from './steps.ts'

/** Every read model. The runner is given all of them. */
export const readModels: readonly AnyProjection[] = [
  sessions,
  steps,
  signals,
  flows,
  flowVersions,
  imports,
  definitions,
  experiments,
  assignments,
]

/** Other names that a query may wait by: what it reads is kept with the sessions. */
export const readModelAliases: Readonly<Record<string, string>> = {
  statistics: 'sessions',
  progress: 'sessions',
}
