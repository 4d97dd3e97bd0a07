import { type Experiments, experimentAggregate, experimentUnknown } from '../commands/experiments.ts'
import type { Handle, Loaded } from '../commands/handle.ts'
import type { ExperimentState } from '../domain/experiment.ts'
import { computeResults, type Results } from '../projections/experimentResults.ts'
import { type AnalysisDependencies, analysisProblem } from './analysisAnswer.ts'
import { refused } from './problem.ts'

export interface ExperimentDependencies extends AnalysisDependencies {
  readonly experiments: Experiments
}

/** @throws ProblemError 404 */
export async function loadExperiment(
  handle: Handle,
  tenant: string,
  key: string,
): Promise<Loaded<ExperimentState>> {
  const loaded = await handle.load(experimentAggregate, tenant, key)
  if (!loaded) throw refused(experimentUnknown(key))
  return loaded
}

/** @throws ProblemError where the index has no answer */
export async function resultsOf(
  deps: AnalysisDependencies,
  tenant: string,
  experiment: ExperimentState,
  asked: Parameters<typeof computeResults>[3],
): Promise<Results> {
  const computed = await computeResults(deps, tenant, experiment, asked)
  if (computed.is !== 'results') throw analysisProblem(computed)
  return computed.results
}

export function experimentView(state: ExperimentState, revision: number) {
  const { definition, status, weights, startedAt, stoppedAt } = state
  const { key, flowId } = definition!
  return {
    key,
    ...(flowId !== undefined && { flowId }),
    status,
    definition,
    weights,
    ...(startedAt !== undefined && { startedAt }),
    ...(stoppedAt !== undefined && { stoppedAt }),
    revision,
  }
}
