import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ColumnarIndex } from '../src/analysis/columns/columnarIndex.ts'
import { executeFunnel } from '../src/analysis/funnel/execute.ts'
import { prepareFunnel } from '../src/analysis/funnel/funnel.ts'
import { createScratch } from '../src/analysis/plan/scratch.ts'
import type { AnalysisSource } from '../src/analysis/plan/source.ts'
import { executeRetention } from '../src/analysis/retention/execute.ts'
import { prepareRetention } from '../src/analysis/retention/retention.ts'
import { type QueryPool, startPool } from '../src/analysis/threads/pool.ts'
import { type Peer, startDuckDb, startPostgres } from './analysis/peers.ts'
import { breakdownSql, funnelSql, retentionSql } from './analysis/sql.ts'
import { asAnalysisEvent, generate, START } from './analysis/synthetic.ts'
import { type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const FUNNEL = (steps: number) => ({
  steps: Array.from({ length: steps }, (_, step) => ({ step: `step${step}` })),
  window: 'P7D',
})
const BREAKDOWN = { ...FUNNEL(5), breakdown: { attribute: 'plan' } }
const RETENTION = {
  cohortBy: { step: 'step0' },
  returnBy: { any: true },
  period: 'week',
  periods: 12,
}

/** A figure as lists of counts, the same of every engine. */
type Counts = readonly (readonly number[])[]

/**
 * Funnels and retention over ten million events: the index, DuckDB and PostgreSQL in turn, on the same events and with equal
 * answers. The peers count only; the index gives the whole answer, with intervals and percentiles of times.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const events = quick ? 200_000 : 10_000_000
  const rounds = quick ? 3 : 11
  /** Rounds that do not count: code that is run often is compiled over the first of them. */
  const warmUp = quick ? 1 : 8
  const folder = await mkdtemp(join(tmpdir(), 'gangway-analysis-'))
  const csv = join(folder, 'events.csv')
  const postgres = await benchPostgres()
  const pool = startPool()
  const peers: Peer[] = []
  try {
    log(`${events} events`)
    const { source, loadSeconds } = await load(events, csv)
    peers.push(await startDuckDb(csv), await startPostgres(await postgres.database(), createReadStream(csv)))
    log('loaded everywhere')
    // What was loaded is still being written to disk, by the database and the system.
    if (!quick) await delay(20_000)
    const rows: BenchRow[] = [
      { name: 'events taken in', value: events / loadSeconds, unit: '/s' },
      { name: 'memory an event', value: source.index.memory().perEvent, unit: 'bytes', target: { max: 40 } },
    ]
    const five = await race('funnel, 5 steps, 7 days', funnel(FUNNEL(5), source, pool), funnelSql(5))
    const twenty = await race('funnel, 20 steps, 7 days', funnel(FUNNEL(20), source, pool), funnelSql(20))
    const broken = await race('the same by 20 values', funnel(BREAKDOWN, source, pool), breakdownSql(5))
    const weekly = await race('weekly retention', retention(RETENTION, source, pool), retentionSql(12))
    const any = await race(
      'funnel, 5 steps, 7 days, any entry',
      funnel({ ...FUNNEL(5), entry: 'any' }, source, pool),
    )
    rows.push(...five.rows, ...twenty.rows, ...broken.rows, ...weekly.rows, ...any.rows)
    rows.push(
      {
        ...compared(
          { name: '20 steps beside 5', value: twenty.ms, unit: 'ms' },
          { name: '5 steps', value: five.ms },
        ),
        target: { max: 1.3 },
      },
      {
        ...compared(
          { name: '20 values beside none', value: broken.ms, unit: 'ms' },
          { name: 'none', value: five.ms },
        ),
        target: { max: 2 },
      },
    )
    return { rows }
  } finally {
    await pool.close()
    for (const peer of peers) await peer.close()
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }

  /** Takes turns, so that what the machine does meanwhile meets all of them. */
  async function race(
    name: string,
    ours: Contender,
    sql?: string,
  ): Promise<{ rows: BenchRow[]; ms: number }> {
    const alone: number[] = []
    const spread: number[] = []
    const theirs = peers.map((): number[] => [])
    for (let round = 1 - warmUp; round <= rounds; round++) {
      const [answer, ms] = await timed(ours.alone)
      const [same, msSpread] = await timed(ours.spread)
      agree(name, answer, same, 'in all threads')
      if (round > 0) alone.push(ms)
      if (round > 0) spread.push(msSpread)
      const asked = round > 1 - warmUp
      for (const [p, peer] of peers.entries()) {
        if (!sql || (peer.slow && asked)) continue
        const [theirAnswer, theirMs] = await timed(() => peer.counts(sql))
        if (!asked) agree(name, answer, theirAnswer, peer.name)
        if (round > 0 || peer.slow) theirs[p]!.push(theirMs)
      }
    }
    const ms = median(spread)
    const own = { name, value: ms, unit: 'ms' }
    const limit =
      name === 'funnel, 5 steps, 7 days' || name === 'weekly retention' ? { target: { max: 60 } } : {}
    log(`${name}: ${ms.toFixed(1)} ms, in one thread ${median(alone).toFixed(1)} ms`)
    return {
      ms,
      rows: [
        { ...own, ...limit },
        { name: `${name}, one thread`, value: median(alone), unit: 'ms' },
        ...peers.flatMap((peer, p) =>
          theirs[p]!.length === 0
            ? []
            : [
                {
                  ...compared(
                    { ...own, name: `${name}, beside ${peer.name}` },
                    { name: peer.name, value: median(theirs[p]!) },
                  ),
                  ...(peer.name === 'DuckDB' &&
                    name === 'funnel, 5 steps, 7 days' && { target: { max: 0.25 } }),
                },
              ],
        ),
      ],
    }
  }
}

interface Contender {
  readonly alone: () => Counts
  readonly spread: () => Promise<Counts>
}

function funnel(query: object, source: AnalysisSource, pool: QueryPool): Contender {
  const scratch = createScratch()
  const prepared = () => {
    const made = prepareFunnel(query, source)
    if ('faults' in made) throw new Error(JSON.stringify(made.faults))
    return made
  }
  const counts = ({ steps, breakdowns }: ReturnType<ReturnType<typeof prepared>['answer']>): Counts => {
    if (breakdowns.length === 0) return [steps.map(({ count }) => count)]
    return breakdowns
      .toSorted((a, b) => (String(a.value) < String(b.value) ? -1 : 1))
      .map((group) => group.steps.map(({ count }) => count))
  }
  return {
    alone: () => {
      const { plan, answer } = prepared()
      const lease = scratch.lease()
      const result = counts(answer(executeFunnel(plan, undefined, lease.take)))
      lease.end()
      return result
    },
    spread: async () => {
      const { plan, answer } = prepared()
      return counts(await pool.funnel(plan, answer))
    },
  }
}

function retention(query: object, source: AnalysisSource, pool: QueryPool): Contender {
  const prepared = () => {
    const made = prepareRetention(query, source)
    if ('faults' in made) throw new Error(JSON.stringify(made.faults))
    return made
  }
  const counts = ({ cohorts }: ReturnType<ReturnType<typeof prepared>['answer']>): Counts =>
    cohorts.map(({ cells }) => cells.map(({ returned }) => returned))
  return {
    alone: () => {
      const { plan, answer } = prepared()
      return counts(answer(executeRetention(plan)))
    },
    spread: async () => {
      const { plan, answer } = prepared()
      return counts(answer(await pool.retention(plan)))
    },
  }
}

/** After a rest: what the one before set going must not be another one's time. */
async function timed<T>(work: () => T | Promise<T>): Promise<[result: T, ms: number]> {
  await delay(100)
  const began = performance.now()
  const result = await work()
  return [result, performance.now() - began]
}

function agree(name: string, a: Counts, b: Counts, peer: string): void {
  if (JSON.stringify(a) === JSON.stringify(b)) return
  throw new Error(`${name}: ${peer} disagrees\n${JSON.stringify(a)}\n${JSON.stringify(b)}`)
}

/** Fills the index and a CSV for the peers: session, step (−1: started), time in ms, plan. */
async function load(events: number, csv: string): Promise<{ source: AnalysisSource; loadSeconds: number }> {
  const index = new ColumnarIndex()
  const began = performance.now()
  let row = 0
  generate(events, (event) => index.append(asAnalysisEvent(event, row++)))
  index.view('session')
  const loadSeconds = (performance.now() - began) / 1000
  const file = createWriteStream(csv)
  const chunks: string[] = []
  let lines = ''
  generate(events, ({ session, step, time, plan }) => {
    lines += `${session},${step},${time - START},${plan}\n`
    if (lines.length < 1 << 22) return
    chunks.push(lines)
    lines = ''
  })
  chunks.push(lines)
  for (const chunk of chunks) if (!file.write(chunk)) await once(file, 'drain')
  file.end()
  await once(file, 'finish')
  const now = START + 366 * 864e5
  return { source: { index, steps: [], segments: new Map(), now }, loadSeconds }
}
