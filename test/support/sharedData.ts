import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'

const root = process.env.GANGWAY_SHARED ?? resolve(import.meta.dirname, '../../../shared')

/** Real data lie beside the project, not in it: tests that need them skip, and say so, where they are not. */
export const sharedMissing = !existsSync(join(root, 'data'))

/** For a test's name, so that a skip states its reason. */
export const needsSharedData = sharedMissing ? ` (skipped: no real data in ${root}; set GANGWAY_SHARED)` : ''

export const sharedFile = (...parts: string[]): string => join(root, ...parts)

export const sharedJson = (...parts: string[]): any => JSON.parse(readFileSync(sharedFile(...parts), 'utf8'))

/** Rows of a gzipped CSV by column name. */
export const sharedCsv = (name: string): Record<string, string>[] =>
  parse(gunzipSync(readFileSync(sharedFile('data', name))), { columns: true })
