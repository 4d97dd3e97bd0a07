import type pg from 'pg'
import { int4Array, textArray } from './binaryArrays.ts'
import type { AppendResult } from './eventStore.ts'
import type { PendingAppend } from './postgresGroup.ts'

/**
 * Of appends that came too late: a repeat, whose events stand where it wanted to put them under the same ids, gets its first
 * outcome again; the others the revision that they met.
 */
export async function findRepeats(
  client: pg.ClientBase,
  refused: readonly { readonly append: PendingAppend; readonly actual: number }[],
): Promise<AppendResult[]> {
  const { rows } = await client.query({
    name: 'repeats',
    text: `select a.ord::int, e.revision, e.id, e.position
             from unnest($1::text[], $2::int[], $3::int[]) with ordinality as a(name, expected, count, ord)
             join log.streams s on s.name = a.name
             join log.events e on e.stream = s.id and e.revision > a.expected and e.revision <= a.expected + a.count`,
    values: [
      textArray(refused.map(({ append }) => append.stream)),
      int4Array(refused.map(({ append }) => append.expected)),
      int4Array(refused.map(({ append }) => append.events.length)),
    ],
  })
  const places = new Map<string, { id: string; position: string }>()
  for (const { ord, revision, id, position } of rows) places.set(`${ord}/${revision}`, { id, position })
  return refused.map(({ append, actual }, index) => {
    const place = (offset: number) => places.get(`${index + 1}/${append.expected + 1 + offset}`)
    const last = place(append.events.length - 1)
    if (last && append.events.every(({ id }, offset) => place(offset)?.id === id))
      return { ok: true, revision: append.expected + append.events.length, position: last.position }
    return { ok: false, actual: actual === -1 ? 'no_stream' : actual }
  })
}
