// `npm run rebuild -- [projection]`: builds read models anew beside those in use, compares, and swaps them in.
import { join } from 'node:path'
import { askForRebuild } from '../projections/analysis/snapshots.ts'
import { type Family, familiesOf, familyNamed } from '../projections/family.ts'
import { readModels } from '../projections/readModels.ts'
import { type RebuildReport, rebuild } from '../projections/rebuild.ts'
import { fail, readCommandLine } from './commandLine.ts'
import { openCommandLog, readCommandConfig } from './commandLog.ts'
import { progressBar } from './progressBar.ts'

const families = familiesOf(readModels)
const { words } = readCommandLine({
  usage: 'npm run rebuild [-- projection]',
  summary: `Builds one read model, or all, anew from the log while the service goes on, compares it with the old one at the same
position, and puts it in its place at once. Cut off, it goes on where it was when started again.
Read models: ${families.map(({ models }) => models.map(({ name }) => name).join(' + ')).join(', ')},
and analysis, the index in memory: its snapshot is thrown away, and a running service builds it anew.`,
  options: {},
  words: ['projection?'],
})
const [wanted] = words
if (wanted === 'analysis') {
  await askForRebuild(join(readCommandConfig().dataDir, 'analysis'))
  console.log(
    'analysis: the snapshot is gone; the service builds its index anew from the log, now or when it starts',
  )
  process.exit(0)
}
const family = wanted === undefined ? undefined : familyNamed(families, wanted)
if (wanted !== undefined && !family)
  fail(`There is no read model "${wanted}". There are: ${families.map(({ name }) => name).join(', ')}.`, 2)

const { log } = await openCommandLog()
const stopping = new AbortController()
process.once('SIGINT', () => stopping.abort())
process.once('SIGTERM', () => stopping.abort())
let code = 0
try {
  for (const one of family ? [family] : families) if (!(await rebuildOne(one))) code = 1
} catch (error) {
  console.error(
    stopping.signal.aborted
      ? 'Stopped: run it again to go on from here.'
      : `The rebuild failed: ${(error as Error).message}`,
  )
  code = 1
} finally {
  await log.close()
}
process.exit(code)

/** Answers whether old and new were the same. */
async function rebuildOne(one: Family): Promise<boolean> {
  const bar = progressBar(one.name)
  const started = performance.now()
  const report = await rebuild({
    store: log.store,
    connectionString: log.databaseUrl,
    family: one,
    signal: stopping.signal,
    onProgress: ({ phase, position, end, events }) => {
      const rate = Math.round(events / ((performance.now() - started) / 1000))
      bar.update(Number(position) / Math.max(1, Number(end)), `${phase}, ${rate} events/s`)
    },
  }).finally(() => bar.stop())
  tell(one, report)
  return report.comparison?.equal ?? true
}

function tell({ name }: Family, { events, seconds, position, resumedFrom, comparison }: RebuildReport): void {
  const from = resumedFrom ? `, going on from position ${resumedFrom}` : ''
  console.log(
    `${name}: ${events} events in ${seconds.toFixed(1)} s${from}, in place since position ${position}`,
  )
  if (!comparison) console.log('  not compared: the old one is of another version, or nobody kept it current')
  for (const { name: model, rows, hash, different, examples } of comparison?.models ?? []) {
    if (different === 0)
      console.log(`  ${model}: ${rows.new} rows, the same as before (${hash.new.slice(0, 16)})`)
    else {
      console.log(`  ${model}: ${different} rows differ; ${rows.old} before, ${rows.new} now`)
      for (const example of examples) console.log(`    ${example}`)
    }
  }
}
