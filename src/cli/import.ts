import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { createFlows } from '../commands/flows.ts'
import { parseColumnMap } from '../commands/import/csvRow.ts'
import { importHistory } from '../commands/import/importHistory.ts'
import { csvSource, ndjsonSource } from '../commands/import/importSource.ts'
import { fail, readCommandLine } from './commandLine.ts'
import { openCommandLog } from './commandLog.ts'
import { progressBar } from './progressBar.ts'

const { options, words } = readCommandLine({
  usage: 'npm run import -- --tenant T --flow F [--format ndjson|csv] [--map field=column,…] FILE',
  summary:
    'Takes in the history of an earlier system, also while the service runs. A file may be sent again at any time: each line is\n' +
    'recorded once. FILE may be compressed with gzip. A CSV is UTF-8 with a header, its cells separated by commas, semicolons or tabs.\n' +
    'Fields that --map fills from its columns: session, at, step, signal, value, user, status, experiment, variant, data.NAME,\n' +
    'attributes.NAME, properties.NAME. A name of a column with a comma stands in quotes: step="what, when".',
  options: {
    tenant: { value: 'T', help: 'whose history it is', required: true },
    flow: { value: 'F', help: 'the flow that its sessions are of', required: true },
    format: { value: 'ndjson|csv', help: 'by the name of the file unless told' },
    map: { value: 'FIELD=COLUMN,…', help: 'for CSV, such as session=case_id,step=activity,at=time' },
  },
  words: ['FILE'],
})
const [file] = words as [string]
const tenant = options.tenant!
const format = options.format ?? (/\.csv(\.gz)?$/i.test(file) ? 'csv' : 'ndjson')
if (format !== 'ndjson' && format !== 'csv') fail(`--format is ndjson or csv, not ${format}`, 2)
if (format === 'csv' && !options.map)
  fail('A CSV needs --map, such as --map session=case_id,step=activity,at=time', 2)
const map = options.map === undefined ? undefined : parseColumnMap(options.map)
if (map && 'fault' in map) fail(`--map: ${(map as { fault: string }).fault}`, 2)

const size = await stat(file).then(
  (found) => (found.isFile() ? found.size : fail(`${file} is not a file`)),
  (error: NodeJS.ErrnoException) =>
    fail(error.code === 'ENOENT' ? `There is no file ${file}` : `${file} cannot be read: ${error.message}`),
)
const { log } = await openCommandLog()
let code = 0
try {
  const published = await createFlows(log.store).find(tenant, options.flow!)
  if (published) code = await run(published.flow)
  else {
    console.error(`The tenant ${tenant} has no flow ${options.flow}. Publish it first (POST /flows).`)
    code = 1
  }
} catch (error) {
  console.error((error as Error).message)
  code = 1
} finally {
  await log.close()
}
process.exit(code)

async function run(flow: { id: string; version: number }): Promise<number> {
  const importId = randomUUID()
  const isGzip = await beginsLikeGzip(file)
  const raw = createReadStream(file, { highWaterMark: 256 * 1024 })
  const bytes = isGzip ? raw.pipe(createGunzip()) : raw
  raw.on('error', (error) => bytes.destroy(error))
  const source = format === 'csv' ? csvSource(bytes, map as Record<string, string>) : ndjsonSource(bytes)
  const bar = progressBar('importing')
  try {
    const report = await importHistory(
      {
        store: log.store,
        now: () => new Date(),
        onProgress: ({ rows, events }) =>
          bar.update(raw.bytesRead / Math.max(1, size), `${rows} lines, ${events} new`),
      },
      {
        importId,
        tenant,
        flowId: flow.id,
        flowVersion: flow.version,
        actor: { id: 'import', role: 'admin' },
        correlationId: importId,
        commandHash: '',
      },
      source,
    )
    bar.stop()
    const { rejected, ...counts } = report
    console.log(JSON.stringify({ ...counts, rejected: rejected.slice(0, 20) }, null, 2))
    if (report.rejectedCount > 0)
      console.error(`${report.rejectedCount} lines were not taken in; the others were.`)
    return 0
  } finally {
    bar.stop()
  }
}

/** RFC 1952 §2.3.1. */
async function beginsLikeGzip(path: string): Promise<boolean> {
  const handle = await open(path)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
  await handle.close()
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
}
