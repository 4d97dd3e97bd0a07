import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import type { ValueDictionary } from '../columns/valueDictionary.ts'
import { MISSING } from '../columns/valueDictionary.ts'
import type { Bindings, Condition } from './condition.ts'

/** Does the condition hold for the event at `row` of `session`? A condition on attributes alone ignores the row. */
export type RowCondition = (row: number, session: number) => boolean

/**
 * Binds a condition to an index: the values it reads are looked up by code, and every combination of codes is evaluated once.
 * `warn` gets the message of a condition that could not be evaluated. With `unitOf`, attributes are those of the unit that sessions
 * map to, else of the session.
 */
export function rowCondition(
  condition: Condition,
  index: ColumnarIndex,
  asOf: number,
  warn: (message: string) => void,
  unitOf: Int32Array | null = null,
): RowCondition {
  const attributes = attributeSources(condition, index, asOf, unitOf)
  const sources = [...propertySources(condition, index), ...attributes]
  const value = condition.reads.value === null ? signalValues(index) : undefined
  const memo = new Map<number | string, boolean>()
  const codes = new Array<number>(sources.length)
  return (row, session) => {
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!
      codes[i] = source.codes[source.of === 'properties' ? row : session] ?? MISSING
    }
    const signal = value?.get(row) ?? null
    const key = codes.length === 1 && !value ? codes[0]! : `${codes.join()};${signal}`
    const known = memo.get(key)
    if (known !== undefined) return known
    const result = condition.evaluate(bindings(sources, codes, signal))
    if (typeof result !== 'boolean') warn(result.error)
    const holds = result === true
    if (memo.size < MEMO_LIMIT) memo.set(key, holds)
    return holds
  }
}

const MEMO_LIMIT = 1_000_000

interface Source {
  readonly of: 'properties' | 'attributes'
  readonly key: string
  readonly codes: Int32Array
  readonly dictionary: ValueDictionary
}

function propertySources({ reads }: Condition, index: ColumnarIndex): Source[] {
  const keys = reads.properties ?? [...index.properties.keys()]
  return keys.flatMap((key) => {
    const column = index.properties.get(key)
    if (!column) return []
    return [{ of: 'properties', key, codes: column.dense(index.events), dictionary: column.dictionary }]
  })
}

function attributeSources(
  { reads }: Condition,
  index: ColumnarIndex,
  asOf: number,
  unitOf: Int32Array | null,
): Source[] {
  const keys = reads.attributes ?? [...index.attributes.keys()]
  return keys.flatMap((key) => {
    const column = index.attributes.get(key)
    if (!column) return []
    const codes = column.lastKnown(asOf, index.sessions.size, unitOf)
    return [{ of: 'attributes', key, codes, dictionary: column.dictionary }]
  })
}

function signalValues(index: ColumnarIndex): Map<number, number> {
  const values = new Map<number, number>()
  for (let i = 0; i < index.signalRow.length; i++) {
    values.set(index.signalRow.items[i]!, index.signalValue.items[i]!)
  }
  return values
}

function bindings(sources: readonly Source[], codes: readonly number[], value: number | null): Bindings {
  const bound = { properties: Object.create(null), attributes: Object.create(null) }
  for (const [i, { of, key, dictionary }] of sources.entries()) {
    if (codes[i] !== MISSING) bound[of][key] = dictionary.values[codes[i]!]
  }
  return { properties: { ...bound.properties }, attributes: { ...bound.attributes }, value }
}
