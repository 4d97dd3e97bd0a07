import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { NodeRoles } from '../src/config.ts'
import { createBareTable } from './import/copy.ts'
import { type History, loadHistory } from './import/history.ts'
import { type ImportService, startImportService } from './import/service.ts'
import { type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const ROUNDS = 2
const REPETITIONS = 10
const COPY = 'COPY of the same rows into a bare table'
/** Bytes of one write of the client. */
const PORTION = 65_536
const POLL_MS = 20
const SAMPLE_MS = 100

/**
 * A history as newline-delimited JSON over HTTP, first in rounds of one repetition, each followed by `COPY` of the rows it made; then ten
 * repetitions as one body, for the memory. Into the log: a node that answers requests (`ROLES=api`), as it does where a
 * projector runs elsewhere. Up to the read models: one node that does everything (`ROLES=all`).
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const history = loadHistory(quick ? 5000 : 262_200, log)
  const postgres = await benchPostgres()
  try {
    const into = await rounds(
      'api',
      history,
      quick,
      await postgres.database(),
      await postgres.database(),
      log,
    )
    const all = await rounds('all', history, quick, await postgres.database(), await postgres.database(), log)
    const long = await atOnce(history, quick ? 2 : REPETITIONS, await postgres.database(), log)
    const target = (min: number) => (quick ? {} : { target: { min } })
    const copied = { name: COPY }
    return {
      rows: [
        compared(
          { name: `${history.name}: into the log`, value: into.logged, unit: 'rows/s', ...target(0.55) },
          { ...copied, value: into.copied },
        ),
        compared(
          {
            name: 'until all read models are caught up',
            value: all.caughtUp,
            unit: 'rows/s',
            ...target(0.3),
          },
          { ...copied, value: all.copied },
        ),
        compared(
          { name: 'into the log while they are projected', value: all.logged, unit: 'rows/s' },
          { ...copied, value: all.copied },
        ),
        {
          name: 'into the log, beside COPY in its binary format',
          value: into.logged,
          unit: 'rows/s',
          peer: into.copiedBinary,
          peerName: 'COPY (FORMAT binary)',
          ratio: into.logged / into.copiedBinary,
        },
        { name: 'until the analysis index is caught up too', value: all.analysed, unit: 'rows/s' },
        { name: `${long.rows} rows in one body: into the log`, value: long.logged, unit: 'rows/s' },
        { name: 'the same until all read models are caught up', value: long.caughtUp, unit: 'rows/s' },
        {
          ...compared(
            { name: 'peak memory of the last fifth of it', value: long.late, unit: 'MiB' },
            { name: 'of the second fifth', value: long.early },
          ),
          ...(!quick && { target: { max: 1.15 } }),
        },
      ],
    }
  } finally {
    await postgres.stop()
  }
}

/** Rows a second, the median of the rounds. */
interface Rates {
  readonly logged: number
  readonly caughtUp: number
  readonly analysed: number
  readonly copied: number
  readonly copiedBinary: number
}

async function rounds(
  roles: NodeRoles,
  history: History,
  quick: boolean,
  database: string,
  elsewhere: string,
  log: (line: string) => void,
): Promise<Rates> {
  const service = await startImportService(roles, database)
  const readModels = await watchReadModels(database)
  const bare = await createBareTable(database, elsewhere)
  const found: Rates[] = []
  let before = await readModels.head()
  try {
    for (let round = 0; round <= (quick ? 1 : ROUNDS); round++) {
      const body = history.repetition(round)
      const used = (await service.usage()).cpu
      const took = await imported(service, readModels, roles, cut(body), history.rows)
      const cpu = (await service.usage()).cpu - used
      const copySeconds = await bare.copy(before, took.position, 'text')
      const binarySeconds = await bare.copy(before, took.position, 'binary')
      const rows = took.position - before
      const rates = {
        logged: history.rows / took.logged,
        caughtUp: history.rows / took.caughtUp,
        analysed: history.rows / took.analysed,
        copied: rows / copySeconds,
        copiedBinary: rows / binarySeconds,
      }
      log(
        `ROLES=${roles} ${line(rates)}, ${((cpu / history.rows) * 1e6).toFixed(1)} µs of CPU of the service a row`,
      )
      if (round > 0) found.push(rates)
      before = took.position
    }
  } finally {
    await readModels.close()
    await bare.close()
    await service.stop()
  }
  const of = (pick: (rates: Rates) => number) => median(found.map(pick))
  return {
    logged: of(({ logged }) => logged),
    caughtUp: of(({ caughtUp }) => caughtUp),
    analysed: of(({ analysed }) => analysed),
    copied: of(({ copied }) => copied),
    copiedBinary: of(({ copiedBinary }) => copiedBinary),
  }
}

const line = ({ logged, caughtUp, analysed, copied, copiedBinary }: Rates) =>
  `log ${Math.round(logged)}, read models ${Math.round(caughtUp)}, index ${Math.round(analysed)}, COPY ${Math.round(copied)}, binary ${Math.round(copiedBinary)} rows/s`

/** One body of many repetitions: its rates, and the memory of the service in the second and the last fifth of it (MiB, peaks). */
async function atOnce(
  history: History,
  repetitions: number,
  database: string,
  log: (line: string) => void,
): Promise<{ rows: number; logged: number; caughtUp: number; early: number; late: number }> {
  const service = await startImportService('all', database)
  const readModels = await watchReadModels(database)
  let sent = 0
  function* portions() {
    for (let n = 0; n < repetitions; n++)
      for (const portion of cut(history.repetition(n))) {
        sent = n / repetitions
        yield portion
      }
    sent = 1
  }
  const peaks = new Map<number, number>()
  const stopped = new AbortController()
  const sampling = (async () => {
    while (!stopped.signal.aborted) {
      const fifth = Math.min(Math.floor(sent * 5), 4)
      const mebibytes = (await service.usage()).rss / 2 ** 20
      peaks.set(fifth, Math.max(peaks.get(fifth) ?? 0, mebibytes))
      await delay(SAMPLE_MS, undefined, { signal: stopped.signal }).catch(() => {})
    }
  })()
  try {
    const rows = history.rows * repetitions
    const took = await imported(service, readModels, 'all', portions(), rows)
    log(
      `${rows} rows: ${took.logged.toFixed(1)} s, read models ${took.caughtUp.toFixed(1)} s, MiB by fifth ${[...peaks.values()].map(Math.round).join(' ')}`,
    )
    return {
      rows,
      logged: rows / took.logged,
      caughtUp: rows / took.caughtUp,
      early: peaks.get(1) ?? peaks.get(0)!,
      late: peaks.get(4)!,
    }
  } finally {
    stopped.abort()
    await sampling
    await readModels.close()
    await service.stop()
  }
}

interface Took {
  /** Seconds from the first byte to the answer, to the last read model's having its end, to the analysis index's. */
  readonly logged: number
  readonly caughtUp: number
  readonly analysed: number
  readonly position: number
}

async function imported(
  service: ImportService,
  readModels: ReadModels,
  roles: NodeRoles,
  portions: Iterable<Buffer>,
  rows: number,
): Promise<Took> {
  const begun = performance.now()
  const seconds = () => (performance.now() - begun) / 1000
  const answer = await service.send(portions)
  const logged = seconds()
  if (answer.events !== rows || answer.rejectedCount > 0)
    throw new Error(`${answer.events} of ${rows} rows went in`)
  const position = Number(answer.position)
  if (roles === 'api') return { logged, caughtUp: logged, analysed: logged, position }
  const until = async (reached: () => Promise<number>) => {
    while ((await reached()) < position) await delay(POLL_MS)
    return seconds()
  }
  const [caughtUp, analysed] = await Promise.all([until(readModels.reached), until(service.analysed)])
  return { logged, caughtUp, analysed, position }
}

interface ReadModels {
  /** The log's last position. */
  head(): Promise<number>
  /** The position that the slowest of them is at. */
  reached(): Promise<number>
  close(): Promise<void>
}

async function watchReadModels(connectionString: string): Promise<ReadModels> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const number = async (sql: string) => Number((await client.query(sql)).rows[0].n)
  return {
    head: () => number('select position as n from log.counter'),
    reached: () => number(`select min(position) as n from read.checkpoints where status = 'live'`),
    close: () => client.end(),
  }
}

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PORTION) yield bytes.subarray(at, at + PORTION)
}
