import { randomUUID } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/services/embeddedPostgres.ts'

/** One line of a bench's table and of its file in bench/results. */
export interface BenchRow {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What the peer or limit beside it came to in the same run, and what that was. */
  readonly peer?: number
  readonly peerName?: string
  /** value ÷ peer's value. */
  readonly ratio?: number
  /** Of the ratio where there is one, else of the value. */
  readonly target?: { readonly min: number } | { readonly max: number }
}

export interface BenchOptions {
  /** Few rounds and small sizes: shows that it works, measures nothing worth keeping. */
  readonly quick: boolean
  readonly log: (line: string) => void
}

export interface Bench {
  run(options: BenchOptions): Promise<{ rows: BenchRow[] }>
}

/** What the figures were measured on. */
export function machineLine(): string {
  const cpu = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpu.length} × ${cpu[0]?.model.trim() || process.arch}, ${memory} GiB, ${process.platform} ${release()}, Node ${process.versions.node}, PostgreSQL 18.4 embedded`
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** By linear interpolation; `q` from 0 to 1. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = Math.floor(at)
  return sorted[low]! + (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!) * (at - low)
}

/**
 * Runs the contenders in turn, so that what the machine does meanwhile meets all of them, each first once without counting, and
 * answers the median of each.
 */
export async function alternate<Name extends string>(
  rounds: number,
  contenders: Readonly<Record<Name, (round: number) => Promise<number>>>,
): Promise<Record<Name, number>> {
  const names = Object.keys(contenders) as Name[]
  const values = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++)
    for (const name of names) {
      const value = await contenders[name](round)
      if (round > 0) values.get(name)!.push(value)
    }
  return Object.fromEntries(names.map((name) => [name, median(values.get(name)!)])) as Record<Name, number>
}

/** A row with its peer and their ratio. */
export function compared(
  row: Pick<BenchRow, 'name' | 'value' | 'unit' | 'target'>,
  peer: { readonly name: string; readonly value: number },
): BenchRow {
  return { ...row, peer: peer.value, peerName: peer.name, ratio: row.value / peer.value }
}

/** An own, durable PostgreSQL in a temporary folder; or one that is there, where only running counts (`BENCH_POSTGRES_URL`). */
export async function benchPostgres(): Promise<{
  connectionString: string
  /** A new database on it. */
  database(): Promise<string>
  stop(): Promise<void>
}> {
  const given = process.env.BENCH_POSTGRES_URL
  if (given) return { connectionString: given, ...databasesOf(given), stop: async () => {} }
  const dataDir = await mkdtemp(join(tmpdir(), 'gangway-bench-'))
  await chmod(dataDir, 0o711)
  const postgres = await startEmbeddedPostgres({ dataDir })
  return {
    connectionString: postgres.connectionString,
    ...databasesOf(postgres.connectionString),
    async stop() {
      await postgres.stop()
      // It may still be writing its last checkpoint.
      await rm(dataDir, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 })
    },
  }
}

const databasesOf = (connectionString: string) => ({
  async database() {
    const name = `bench_${randomUUID().replaceAll('-', '')}`
    const client = new pg.Client({ connectionString })
    await client.connect()
    await client.query(`create database ${name}`)
    await client.end()
    const url = new URL(connectionString)
    url.pathname = `/${name}`
    return url.href
  },
})

/** Writes bench/results/<name>.json. */
export async function writeResults(
  name: string,
  rows: readonly BenchRow[],
  machine: string,
): Promise<string> {
  const folder = new URL('results/', import.meta.url)
  await mkdir(folder, { recursive: true })
  const file = new URL(`${name}.json`, folder)
  await writeFile(file, `${JSON.stringify({ machine, rows }, null, 2)}\n`)
  return file.pathname
}

/** A table for people, with a mark where a target is missed. */
export function formatTable(rows: readonly BenchRow[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${number(row.value)} ${row.unit}`,
    row.peer === undefined ? '' : `${row.peerName ?? 'peer'}: ${number(row.peer)}`,
    row.ratio === undefined ? '' : `${row.ratio.toFixed(2)} ×`,
    target(row),
  ])
  const table = [['', 'ours', 'beside it', 'ratio', 'target'], ...cells]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)))
  return table
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Whether the row has a target and does not reach it. */
export function misses({ value, ratio = value, target }: BenchRow): boolean {
  if (!target) return false
  return 'min' in target ? ratio < target.min : ratio > target.max
}

function target(row: BenchRow): string {
  if (!row.target) return ''
  const wanted = 'min' in row.target ? `≥ ${number(row.target.min)}` : `≤ ${number(row.target.max)}`
  return `${wanted} ${misses(row) ? 'MISSED' : 'met'}`
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : value < 1000 ? 1 : 0 })
}
