import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import { randomFrom } from '../readModels/syntheticLog.ts'

/** A history that can be repeated any number of times, each time with sessions of its own. */
export interface History {
  /** What it is, for the name of a row. */
  readonly name: string
  readonly rows: number
  readonly sessions: number
  /** The nth repetition as newline-delimited JSON. */
  repetition(n: number): Buffer
}

const root = process.env.GANGWAY_SHARED ?? resolve(import.meta.dirname, '../../../shared')
const file = join(root, 'data', 'bpi2012.csv.gz')
/** Stands where the number of the repetition goes; in no row of the file. */
const PLACE = '\u0001'

/** The loan applications of BPI 2012 (`rows` of them, or all), or where the file is absent a synthetic history of the same shape. */
export function loadHistory(rows: number, log: (line: string) => void): History {
  if (existsSync(file)) return history('BPI 2012', bpi2012(rows))
  log(`no real data in ${root} (set GANGWAY_SHARED): a synthetic history of the same shape instead`)
  return history('synthetic history like BPI 2012', synthetic(rows))
}

interface Row {
  readonly session: string
  readonly step: string
  readonly at: string
}

function history(name: string, rows: readonly Row[]): History {
  const template = rows
    .map(({ session, step, at }) => `${JSON.stringify({ session: `${session}-#`, step, at })}\n`)
    .join('')
    .replaceAll('-#"', `-${PLACE}"`)
  return {
    name,
    rows: rows.length,
    sessions: new Set(rows.map(({ session }) => session)).size,
    repetition: (n) => Buffer.from(template.replaceAll(PLACE, String(n))),
  }
}

function bpi2012(rows: number): Row[] {
  const found: Record<string, string>[] = parse(gunzipSync(readFileSync(file)), {
    columns: true,
    to: Math.min(rows, 300_000),
  })
  return found.map((row) => ({ session: row.case_id!, step: row.activity!, at: row.timestamp_utc! }))
}

/** 20 rows a session out of 24 steps, one session after the other. */
function synthetic(rows: number): Row[] {
  const random = randomFrom(2012)
  const made: Row[] = []
  for (let n = 0; made.length < Math.min(rows, 262_200); n++) {
    let at = Date.UTC(2011, 9, 1) + n * 1_000_000
    const length = 3 + Math.floor(random() * 35)
    for (let i = 0; i < length; i++) {
      at += Math.floor(random() ** 4 * 86_400_000)
      const step = `STEP_${Math.floor(random() * 24)}`
      made.push({ session: String(170_000 + n), step, at: new Date(at).toISOString() })
    }
  }
  return made
}
