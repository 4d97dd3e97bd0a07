import { AttributeColumn } from './attributeColumn.ts'
import { ColumnarIndex } from './columnarIndex.ts'
import type { EventCode } from './eventCodes.ts'
import type { Column } from './growable.ts'
import { PropertyColumn } from './propertyColumn.ts'
import { StringTable } from './stringTable.ts'
import { Users } from './users.ts'
import type { ValueDictionary } from './valueDictionary.ts'

/** The small part of an index as JSON; the large part are columns beside it, in a fixed order. */
export interface IndexState {
  readonly position: string
  /** null without events */
  readonly oldest: number | null
  readonly newest: number | null
  readonly codes: readonly (EventCode & { readonly count: number })[]
  readonly attributes: readonly string[]
  readonly properties: readonly string[]
  readonly hasRun: boolean
}

/** A column as saved; read back as bytes. */
export type Saved = Column

/** The index as state and columns. Brings it into one run first. */
export function columnsOf(index: ColumnarIndex): { state: IndexState; columns: Saved[] } {
  const run = index.compact()
  const { sessions, users, codes, attributes, properties, signalRow, signalValue } = index
  const strings = [sessions, users.ids].flatMap((table) => Object.values(table.columns()))
  return {
    state: {
      position: index.position,
      oldest: Number.isFinite(index.oldest) ? index.oldest : null,
      newest: Number.isFinite(index.newest) ? index.newest : null,
      codes: codes.codes.map((code, i) => ({ ...code, count: codes.counts.items[i]! })),
      attributes: [...attributes.keys()],
      properties: [...properties.keys()],
      hasRun: run !== null,
    },
    columns: [
      ...strings,
      users.userOf.used(),
      signalRow.used(),
      signalValue.used(),
      ...(run ? [run.unit, run.start, run.code, run.time, run.row, run.revision] : []),
      ...[...attributes.values()].flatMap(({ session, time, code, dictionary }) => [
        session.used(),
        time.used(),
        code.used(),
        ...valueColumns(dictionary),
      ]),
      ...[...properties.values()].flatMap(({ row, code, dictionary }) => [
        row.used(),
        code.used(),
        ...valueColumns(dictionary),
      ]),
    ],
  }
}

/** The index again. Throws where state and columns do not fit together. */
export function indexOf(state: IndexState, columns: readonly Saved[]): ColumnarIndex {
  let next = 0
  const bytes = (): Uint8Array => {
    const column = columns[next++]
    if (!column) throw new Error('a section is missing')
    return column as Uint8Array
  }
  const u32 = () => new Uint32Array(bytes().buffer)
  const i32 = () => new Int32Array(bytes().buffer)
  const f64 = () => new Float64Array(bytes().buffer)
  const sessions = StringTable.of({ arena: bytes(), ends: f64() })
  const users = new Users(StringTable.of({ arena: bytes(), ends: f64() }))
  const index = new ColumnarIndex(sessions, users)
  for (const [session, user] of i32().entries()) if (user >= 0) users.assignNumber(session, user)
  for (const row of u32()) index.signalRow.push(row)
  for (const value of f64()) index.signalValue.push(value)
  const run = state.hasRun
    ? { unit: u32(), start: u32(), code: u32(), time: f64(), row: u32(), revision: u32(), session: null }
    : null
  for (const { kind, name, count } of state.codes) {
    // First the code: adding one may move the counts to other memory.
    const code = index.codes.add(kind, name)
    index.codes.counts.items[code] = count
  }
  for (const key of state.attributes) {
    const column = new AttributeColumn()
    const [session, time, code] = [u32(), f64(), i32()]
    restoreValues(column.dictionary, u32(), bytes())
    for (let i = 0; i < session.length; i++) column.restore(session[i]!, time[i]!, code[i]!)
    index.attributes.set(key, column)
  }
  for (const key of state.properties) {
    const column = new PropertyColumn()
    const [row, code] = [u32(), i32()]
    restoreValues(column.dictionary, u32(), bytes())
    for (let i = 0; i < row.length; i++) column.restore(row[i]!, code[i]!)
    index.properties.set(key, column)
  }
  const { position, oldest, newest } = state
  index.restore({
    position,
    oldest: oldest ?? Number.POSITIVE_INFINITY,
    newest: newest ?? Number.NEGATIVE_INFINITY,
    run,
  })
  return index
}

/** Values as JSON, one after another, with the length of each. */
function valueColumns({ values }: ValueDictionary): Saved[] {
  const texts = values.map((value) => Buffer.from(JSON.stringify(value)))
  return [Uint32Array.from(texts, (text) => text.length), new Uint8Array(Buffer.concat(texts))]
}

function restoreValues(dictionary: ValueDictionary, lengths: Uint32Array, texts: Uint8Array): void {
  const all = Buffer.from(texts)
  let at = 0
  for (const length of lengths) {
    dictionary.add(JSON.parse(all.toString('utf8', at, at + length)))
    at += length
  }
}
