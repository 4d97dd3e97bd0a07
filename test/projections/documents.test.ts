import { expect, test } from 'vitest'
import { readModelsDocument } from '../../scripts/docs/readModels.ts'
import { contents, freshLog, projectAll } from './support/readModels.ts'

test('every view and column of the schema read is described', async () => {
  const log = await freshLog()
  await projectAll(log)
  const text = await readModelsDocument()
  const { rows } = await log.pool.query(
    `select table_name, column_name, data_type from information_schema.columns
      where table_schema = 'read' and table_name !~ '_v[0-9]+_g[0-9]+$'`,
  )
  expect(new Set(rows.map(({ table_name }) => table_name)).size).toBe(
    Object.keys(await contents(log.connectionString)).length + 3,
  )
  for (const { table_name, column_name } of rows) {
    const section = text.slice(text.indexOf(`\`read.${table_name}\``))
    expect(section.slice(0, section.indexOf('\n## ', 3)), `${table_name}.${column_name}`).toContain(
      `\`${column_name}\``,
    )
  }
})
