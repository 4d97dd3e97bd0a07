import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import type { SegmentRule } from '../segments/segmentRule.ts'

/** What a query is answered from. */
export interface AnalysisSource {
  readonly index: ColumnarIndex
  /** The step ids of all versions of the flow. */
  readonly steps: readonly string[]
  /** The tenant's saved segments of this flow. */
  readonly segments: ReadonlyMap<string, SegmentRule>
  /** The present, ms since 1970 UTC: `asOf` of a query that names none. */
  readonly now: number
}
