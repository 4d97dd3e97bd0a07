import { ColumnarIndex } from '../../analysis/columns/columnarIndex.ts'
import type { AnalysisSource } from '../../analysis/plan/source.ts'

/** Something a unit did: ms, what, and the properties it had. */
export interface Deed {
  readonly unit: string
  readonly at: number
  readonly signal: string
  readonly properties?: Readonly<Record<string, unknown>>
  readonly user?: string
}

/** Histories of signals as a source of queries, which see everything. */
export function sourceOf(deeds: readonly Deed[]): AnalysisSource {
  const index = new ColumnarIndex()
  const revisions = new Map<string, number>()
  for (const [i, { unit, at, signal, properties = {}, user }] of deeds.entries()) {
    const revision = revisions.get(unit) ?? 0
    revisions.set(unit, revision + 1)
    index.append({
      position: String(i + 1),
      sessionId: unit,
      userId: user ?? null,
      type: 'SignalTracked',
      data: { signal, properties },
      occurredAt: at,
      revision,
    })
  }
  return { index, steps: [], segments: new Map(), now: LATEST }
}

/** The latest time a Date can hold. */
const LATEST = 8.64e15
