import type pg from 'pg'
import { type Family, modelNamed, tableName } from './family.ts'
import { keyText } from './fold.ts'
import type { AnyProjection, AnyRow, RowKey } from './projection.ts'
import { loadRows } from './rowStore.ts'

/** The rows of a projection by the texts of their keys, as the writer of a slot has them. */
export async function loadMember(
  client: pg.ClientBase,
  family: Family,
  generation: number,
  slot: number,
  { name: member }: AnyProjection,
  keys: readonly RowKey[],
): Promise<Map<string, AnyRow>> {
  const model = modelNamed(family, member)
  const name = tableName(model, generation)
  if (!model.slotted) return loadRows(client, name, model.table, keys)
  const own = keys.map((key) => [...key, slot])
  const found = await loadRows(client, name, model.table, own)
  return new Map(
    keys.flatMap((key, place): [string, AnyRow][] => {
      const row = found.get(keyText(own[place]!))
      return row ? [[keyText(key), row]] : []
    }),
  )
}
