import { openAudit } from '../eventStore/audit.ts'
import type { VerifyReport } from '../eventStore/verifyLog.ts'
import { fail, readCommandLine } from './commandLine.ts'
import { openCommandLog } from './commandLog.ts'
import { faultLine, plain } from './faultLine.ts'

const { options, flags, words } = readCommandLine({
  usage: 'npm run audit -- verify [--tenant T] [--json]',
  summary:
    'Verifies that every stored event is the one that was written: its place, its chain, and all of them against the signed ' +
    'checkpoints in DATA_DIR/audit. Ends with 1 and names the first fault when something is wrong.',
  options: {
    tenant: { value: 'T', help: 'the events of one tenant only' },
    json: { help: 'the whole report as JSON' },
  },
  words: ['verify'],
})
if (words[0] !== 'verify') fail(`There is no audit command "${words[0]}"; there is verify.`, 2)

const { tenant } = options
const { config, log } = await openCommandLog()
const report = await verify().catch((error) => fail(`Verification did not end: ${error.message}`))
await log.close()
if (flags.has('json')) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
else if (report.ok) process.stdout.write(`${summary(report)}\n`)
if (!report.ok) fail(faultLine(report))

async function verify(): Promise<VerifyReport> {
  const audit = await openAudit({ store: log.store, dataDir: config.dataDir, now: () => new Date() })
  const progress = process.stderr.isTTY ? showProgress() : undefined
  const found = await audit.verify({
    ...(tenant !== undefined && { tenant }),
    ...(progress && { onProgress: progress.at }),
  })
  progress?.end()
  return found
}

function summary({ events, streams, checkpoints }: VerifyReport): string {
  const of = tenant === undefined ? `${checkpoints.length} tenants` : `tenant ${plain(tenant)}`
  const last = checkpoints.at(-1)
  const signed = last ? `, signed by key ${last.key}` : ''
  return `ok: ${events.toLocaleString('en')} events in ${streams.toLocaleString('en')} streams of ${of}${signed}`
}

function showProgress() {
  const begun = Date.now()
  let shown = 0
  return {
    at(events: number, position: string, head: string) {
      if (Date.now() - shown < 100) return
      shown = Date.now()
      const rate = Math.round(events / Math.max(0.001, (shown - begun) / 1000)).toLocaleString('en')
      const percent = Math.floor((100 * Number(position)) / Math.max(1, Number(head)))
      process.stderr.write(`\r\x1b[Kverifying ${percent} %  ${events.toLocaleString('en')} events  ${rate}/s`)
    },
    end: () => void process.stderr.write('\r\x1b[K'),
  }
}
