import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import type { FeatureChoice } from './features.ts'

const MOST_STEPS = 15
const MOST_SIGNALS = 6
const MOST_ATTRIBUTES = 6
const MOST_VALUES = 5
/** An attribute of more values than this is an id or a measure, no group. */
const MOST_DISTINCT = 50
/** A value that fewer sessions have tells nothing. */
const FEWEST_SESSIONS = 10

/** The most frequent steps, signals and attribute values of a flow. Frequency is all that is looked at, never the outcome. */
export function chooseFeatures(index: ColumnarIndex): FeatureChoice {
  const { codes, counts } = index.codes
  const most = (kind: 'step' | 'signal', many: number) =>
    codes
      .map((code, number) => ({ ...code, count: counts.items[number]! }))
      .filter((code) => code.kind === kind && code.count >= FEWEST_SESSIONS)
      .sort((a, b) => b.count - a.count)
      .slice(0, many)
      .map(({ name }) => name)
  const attributes = [...index.attributes]
    .filter(([, { dictionary }]) => dictionary.values.length <= MOST_DISTINCT)
    .slice(0, MOST_ATTRIBUTES)
    .flatMap(([attribute, column]) => {
      const tally = new Map<number, number>()
      for (const code of column.code.used()) tally.set(code, (tally.get(code) ?? 0) + 1)
      return [...tally]
        .filter(([code, count]) => code >= 0 && count >= FEWEST_SESSIONS)
        .sort(([, a], [, b]) => b - a)
        .slice(0, MOST_VALUES)
        .map(([code]) => ({ attribute, value: column.dictionary.value(code) }))
    })
  return { steps: most('step', MOST_STEPS), signals: most('signal', MOST_SIGNALS), attributes }
}
