import type { ExperimentDefinition } from '../../domain/experimentDefinition.ts'
import { type Envelope, envelope } from '../plan/envelope.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { banditWeights } from './banditWeights.ts'
import { type ExperimentData, type ExperimentResults, experimentResults } from './results.ts'
import { dailySeries, type SeriesPoint } from './series.ts'
import type { AnalysisSpec } from './spec.ts'
import { aggregate } from './units.ts'
import { type ExposedUnits, unitTable } from './unitTable.ts'

/** What is asked of the index for an experiment, with what the index does not know itself. */
export interface ExperimentQuestion {
  readonly definition: ExperimentDefinition
  /** Units that this service assigned a variant to. */
  readonly assigned: number
  /** ms since 1970 UTC; nothing later is seen */
  readonly asOf: number
  /** A bandit's weights as they changed, and with which of them each unit was assigned; the first where that is not told. */
  readonly periods?: {
    readonly weights: readonly (readonly number[])[]
    readonly of: ReadonlyMap<string, number>
  }
}

export interface ExperimentAnswer extends ExperimentResults {
  /** Newly exposed units a day at the present rate. */
  readonly unitsPerDay?: number
  readonly series: readonly SeriesPoint[]
  /** A bandit's weights as they should be next, in order of the variants. */
  readonly nextWeights?: readonly number[]
}

/** The results of an experiment from the flows given; without one of them nobody was exposed. */
export function experimentAnswer(
  question: ExperimentQuestion,
  sources: readonly AnalysisSource[],
  position: string,
): ExperimentAnswer & Envelope {
  const began = performance.now()
  const warnings = new Set<string>()
  const { definition, asOf } = question
  const units = unitTable(definition, sources, asOf, (message) => warnings.add(message))
  return {
    ...resultsOf(question, units, (message) => warnings.add(message)),
    ...envelope({ query: definition, asOf, position, began, warnings }),
  }
}

function resultsOf(
  { definition, assigned, asOf, periods }: ExperimentQuestion,
  units: ExposedUnits,
  warn: (message: string) => void,
): ExperimentAnswer {
  const { table } = units
  const arms = definition.variants.length
  const spec = specOf(definition)
  const exposed = new Array<number>(arms).fill(0)
  let multiExposed = 0
  for (let unit = 0; unit < table.size; unit++) {
    const arm = table.variant[unit]!
    if (arm < 0) multiExposed += 1
    else exposed[arm]! += 1
  }
  const rate = rateOf(units, asOf)
  const counts = {
    // An exposure from elsewhere says that the unit was assigned there.
    assigned: Math.max(assigned, table.size),
    exposed,
    multiExposed,
    hasCovariate: definition.covariate !== undefined,
    ...rate,
  }
  if (definition.mode === 'bandit' && periods && periods.weights.length > 0) {
    const cell = Int32Array.from({ length: table.size }, (_, unit) => periods.of.get(units.id(unit)) ?? 0)
    const moments = aggregate({ ...table, cell }, arms, periods.weights.length)
    const data: ExperimentData = {
      ...counts,
      moments,
      periods: true,
      expectedShares: expectedShares(periods.weights, cell, table.variant),
    }
    const steered = Math.max(
      definition.metrics.findIndex(({ role }) => role === 'primary'),
      0,
    )
    return {
      ...experimentResults(spec, data),
      ...rate,
      // Day by day the arms would have to be pooled over changing weights, which is what a bandit must not do.
      series: [],
      nextWeights: banditWeights(definition.metrics[steered]!, moments[steered]!),
    }
  }
  const { days, cell } = daysOf(units, warn)
  return {
    ...experimentResults(spec, { ...counts, moments: aggregate(table, arms) }),
    ...rate,
    series: dailySeries(spec, days, aggregate({ ...table, cell }, arms, days.length)),
  }
}

/** What the contract leaves open is said here: alpha 0.05, sequential, no correction. */
export function specOf(definition: ExperimentDefinition): AnalysisSpec {
  const { variants, metrics, alpha = 0.05, sequential = true, correction = 'none' } = definition
  return { variants, metrics, alpha, sequential, correction }
}

/** Σ over periods of units × weights: what each variant should have got. */
function expectedShares(
  weights: readonly (readonly number[])[],
  cell: Int32Array,
  variant: ArrayLike<number>,
): number[] {
  const shares = weights[0]!.map(() => 0)
  for (let unit = 0; unit < cell.length; unit++) {
    if (variant[unit]! < 0) continue
    for (const [arm, weight] of weights[cell[unit]!]!.entries()) shares[arm]! += weight
  }
  return shares.every((share) => share === 0) ? [...weights[0]!] : shares
}

const DAY_MS = 864e5

/** Newly exposed units a day over the last week, or since the first where that is less. */
function rateOf({ since }: ExposedUnits, asOf: number): { unitsPerDay?: number } {
  if (since.length === 0) return {}
  const first = since.reduce((min, at) => Math.min(min, at), Number.POSITIVE_INFINITY)
  const span = Math.min(7 * DAY_MS, Math.max(asOf - first, DAY_MS))
  const recent = since.reduce((n, at) => (at > asOf - span ? n + 1 : n), 0)
  return { unitsPerDay: recent / (span / DAY_MS) }
}

/** A series names this many days at most: earlier ones count in the first. */
const MOST_DAYS = 366

/** The days (UTC) on which units were first exposed, in order, and which of them each unit's is. */
function daysOf({ since }: ExposedUnits, warn: (message: string) => void) {
  const seen = new Set<number>()
  for (const at of since) seen.add(Math.floor(at / DAY_MS))
  const all = [...seen].sort((a, b) => a - b)
  if (all.length > MOST_DAYS) warn(`the series begins at day ${all.length - MOST_DAYS + 1} of ${all.length}`)
  const days = all.slice(-MOST_DAYS)
  const places = new Map(days.map((day, place) => [day, place]))
  return {
    days: days.map((day) => new Date(day * DAY_MS).toISOString().slice(0, 10)),
    cell: Int32Array.from(since, (at) => places.get(Math.floor(at / DAY_MS)) ?? 0),
  }
}
