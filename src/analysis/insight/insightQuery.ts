import { parseTime } from '../plan/duration.ts'
import { type Fault, Faults } from '../plan/fault.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { type History, historyOf } from './history.ts'

/** The time up to which is seen, ms; now unless told. */
export function asOfOf(body: unknown, source: AnalysisSource, faults: Faults): number {
  const { asOf } = (body ?? {}) as { asOf?: unknown }
  return asOf === undefined ? source.now : (parseTime(asOf, faults.at('asOf')) ?? source.now)
}

/** The session that a query is about, up to its `asOf`. */
export function sessionOf(
  body: unknown,
  source: AnalysisSource,
): { readonly history: History; readonly asOf: number } | { readonly faults: readonly Fault[] } {
  const faults = new Faults()
  const asOf = asOfOf(body, source, faults)
  const { sessionId } = (body ?? {}) as { sessionId?: unknown }
  const history =
    faults.list.length === 0 && typeof sessionId === 'string'
      ? historyOf(source.index, sessionId, asOf)
      : undefined
  if (history) return { history, asOf }
  if (faults.list.length === 0) faults.at('asOf').add('nothing of this session had happened by then')
  return { faults: faults.list }
}
