/** Field of a line → column of the file. Fields are those of a line; `data.x`, `attributes.x`, `properties.x` reach inside. */
export type ColumnMap = Readonly<Record<string, string>>

const plain = ['session', 'at', 'step', 'signal', 'value', 'user', 'status', 'experiment', 'variant'] as const
const inside = /^(data|attributes|properties)\.(.+)$/

/** `session=case_id,step="when, where",at=time` → a map, or what is wrong with it. Commas in quotes are of a column's name. */
export function parseColumnMap(text: string): ColumnMap | { fault: string } {
  const map: Record<string, string> = Object.create(null)
  for (const quoted of text.match(/(?:"[^"]*"|[^,])+|^$|(?<=,)(?=,|$)/g) ?? ['']) {
    const part = quoted.replace(/=\s*"([^"]*)"\s*$/, '=$1')
    const at = part.indexOf('=')
    if (at < 1 || at === part.length - 1) return { fault: `"${part}" must be field=column` }
    const field = part.slice(0, at).trim()
    if (!(plain as readonly string[]).includes(field) && !inside.test(field))
      return {
        fault: `"${field}" is not a field; fields are ${plain.join(', ')}, data.…, attributes.… and properties.…`,
      }
    if (field in map) return { fault: `"${field}" is mapped twice` }
    map[field] = part.slice(at + 1).trim()
  }
  for (const needed of ['session', 'at'])
    if (!(needed in map)) return { fault: `"${needed}" must be mapped to a column` }
  return map
}

/** One row as a line of JSON. Empty cells are left out; `value` and inner fields that are plain numbers become numbers. */
export function rowToLine(row: Readonly<Record<string, string>>, map: ColumnMap): string {
  const line: Record<string, unknown> = {}
  for (const [field, column] of Object.entries(map)) {
    const cell = row[column]
    if (cell === undefined || cell === '') continue
    const [, group, name] = inside.exec(field) ?? []
    if (group && name) {
      line[group] ??= Object.create(null)
      ;(line[group] as Record<string, unknown>)[name] = numberOrText(cell)
    } else if (field === 'experiment' || field === 'variant') {
      line.exposure = { ...(line.exposure as object | undefined), [field]: cell }
    } else line[field] = field === 'value' ? numberOrText(cell) : cell
  }
  return JSON.stringify(line)
}

/** Only what reads back exactly as it stood: `12.5` is a number, `007` and `1e999` stay text; `12.00` is 12. */
function numberOrText(cell: string): string | number {
  return /^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/.test(cell) ? Number(cell) : cell
}
