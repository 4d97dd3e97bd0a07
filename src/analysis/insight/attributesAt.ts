import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import type { AttributesAt } from './features.ts'

/** What each session's attributes were at a time, for these attributes and (where told) this session alone. */
export function attributeReader(
  index: ColumnarIndex,
  attributes: Iterable<string>,
  only?: number,
): (session: number) => AttributesAt {
  const columns = [...attributes].flatMap((key) => {
    const column = index.attributes.get(key)
    if (!column) return []
    // The places of each session's values, as recorded.
    const places = new Map<number, number[]>()
    const sessions = column.session.used()
    for (let i = 0; i < sessions.length; i++) {
      if (only !== undefined && sessions[i] !== only) continue
      const own = places.get(sessions[i]!)
      if (own) own.push(i)
      else places.set(sessions[i]!, [i])
    }
    return [{ key, column, places }]
  })
  return (session) => (at) => {
    const known = new Map<string, unknown>()
    for (const { key, column, places } of columns) {
      let since = Number.NEGATIVE_INFINITY
      for (const place of places.get(session) ?? []) {
        const time = column.time.items[place]!
        if (time > at || time < since) continue
        since = time
        known.set(key, column.dictionary.value(column.code.items[place]!))
      }
    }
    return known
  }
}
