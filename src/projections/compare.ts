import { createHash } from 'node:crypto'
import type pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { type Generation, generations } from './checkpoint.ts'
import { type Family, type Model, tableName } from './family.ts'
import type { AnyTable, ColumnType } from './projection.ts'
import { allColumns, mergedRows, qualified, quotedKey } from './sql.ts'

export interface Comparison {
  readonly equal: boolean
  readonly models: readonly ModelComparison[]
}

export interface ModelComparison {
  readonly name: string
  readonly rows: { readonly old: number; readonly new: number }
  /** SHA-256 (hex) of the content in order of key. */
  readonly hash: { readonly old: string; readonly new: string }
  readonly different: number
  /** Keys of the first rows that differ or are on one side only. */
  readonly examples: readonly string[]
}

export interface Content {
  readonly rows: number
  /** SHA-256 (hex) of the rows in order of key, as `COPY` writes them in a session in UTC. */
  readonly hash: string
}

const EXAMPLES = 5

/** Two generations of the same version. Each side is read in its own session and in constant memory. */
export async function compareGenerations(
  family: Family,
  oldClient: pg.ClientBase,
  old: Generation,
  newClient: pg.ClientBase,
  fresh: Generation,
): Promise<Comparison> {
  const models: ModelComparison[] = []
  for (const model of family.models) {
    const [before, after] = await Promise.all([
      contentOf(oldClient, model, old.generation),
      contentOf(newClient, model, fresh.generation),
    ])
    models.push({
      name: model.name,
      rows: { old: before.rows, new: after.rows },
      hash: { old: before.hash, new: after.hash },
      ...(before.hash === after.hash
        ? { different: 0, examples: [] }
        : await differences(
            (model.slotted ?? model).table,
            lines(oldClient, model, old.generation),
            lines(newClient, model, fresh.generation),
          )),
    })
  }
  return { equal: models.every(({ different }) => different === 0), models }
}

/** What a generation's table holds, all slots together, as one hash: equal hashes are equal tables, byte for byte. */
export async function contentOf(client: pg.ClientBase, model: Model, generation: number): Promise<Content> {
  const hash = createHash('sha256')
  const stream = content(client, model, generation)
  for await (const chunk of stream) hash.update(chunk as Buffer)
  return { rows: stream.rowCount, hash: hash.digest('hex') }
}

/** A merge of two ordered tables: which rows differ or are on one side only. */
async function differences(
  table: AnyTable,
  old: AsyncGenerator<string>,
  fresh: AsyncGenerator<string>,
): Promise<Pick<ModelComparison, 'different' | 'examples'>> {
  const compare = keyComparison(table)
  const examples: string[] = []
  let different = 0
  const differs = (line: string) => {
    different += 1
    if (examples.length < EXAMPLES) examples.push(keyOf(line, table).join(' '))
  }
  const next = async (side: AsyncGenerator<string>) => {
    const { value, done } = await side.next()
    return done ? undefined : value
  }
  let a = await next(old)
  let b = await next(fresh)
  while (a !== undefined || b !== undefined) {
    const order = a === undefined ? 1 : b === undefined ? -1 : a === b ? 0 : compare(a, b)
    if (order < 0 || (order === 0 && a !== b)) differs(a!)
    if (order > 0) differs(b!)
    if (order <= 0) a = await next(old)
    if (order >= 0) b = await next(fresh)
  }
  return { different, examples }
}

/** The rows as COPY writes them, the key's columns first, in order of key. */
function content(client: pg.ClientBase, model: Model, generation: number) {
  const name = tableName(model, generation)
  const { table } = model.slotted ?? model
  const rows = model.slotted ? `(${mergedRows(name, model.slotted)})` : qualified(name)
  const columns = `${quotedKey(table)}, ${allColumns(table)}`
  return client.query(
    copyTo(`copy (select ${columns} from ${rows} m order by ${quotedKey(table)}) to stdout`),
  )
}

async function* lines(client: pg.ClientBase, model: Model, generation: number): AsyncGenerator<string> {
  // COPY escapes line feeds and carriage returns within values; other separators of lines are none here.
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of content(client, model, generation)) {
    const parts = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n')
    rest = parts.pop()!
    yield* parts
  }
}

function keyComparison(table: AnyTable): (a: string, b: string) => number {
  const types = table.key.map((column) => (table.columns as Record<string, ColumnType>)[column as string]!)
  return (a, b) => {
    const [left, right] = [keyOf(a, table), keyOf(b, table)]
    for (const [index, type] of types.entries()) {
      const order =
        type === 'text'
          ? Buffer.compare(Buffer.from(left[index]!), Buffer.from(right[index]!))
          : type === 'date'
            ? Number(left[index]! > right[index]!) - Number(left[index]! < right[index]!)
            : Number(left[index]) - Number(right[index])
      if (order !== 0) return order
    }
    return 0
  }
}

function keyOf(line: string, table: AnyTable): string[] {
  return line
    .split('\t', table.key.length)
    .map((field) => field.replace(/\\(.)/g, (_, character: string) => UNESCAPED[character] ?? character))
}

const UNESCAPED: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', v: '\v' }

/** The content of every read model in use, by name: what a rebuild must give again byte for byte. */
export async function readModelContents(
  client: pg.ClientBase,
  families: readonly Family[],
): Promise<Record<string, Content>> {
  const live = (await generations(client)).filter(({ status }) => status === 'live')
  const contents: Record<string, Content> = {}
  for (const family of families) {
    const generation = live.find((one) => one.family === family.name)!
    for (const model of family.models)
      contents[model.name] = await contentOf(client, model, generation.generation)
  }
  return contents
}
