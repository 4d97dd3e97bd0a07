// `npm run parked`: lists the keys whose events could not be applied to a read model, retries them, or drops them.
import pg from 'pg'
import { type Family, familiesOf, familyNamed } from '../projections/family.ts'
import { dropParked, listParked, type ParkedKey, retryParked } from '../projections/parked.ts'
import { prepareClient } from '../projections/prepareClient.ts'
import { readModels } from '../projections/readModels.ts'
import { createRegistry } from '../projections/readSchema.ts'
import { fail, readCommandLine } from './commandLine.ts'
import { openCommandLog } from './commandLog.ts'

const { words } = readCommandLine({
  usage: 'npm run parked [-- retry|drop [read model] [key]]',
  summary: `Events that a read model could not take in park their key: later events of the key queue behind them.
Without words: lists the parked keys. retry: applies what waits, in order, of all keys or of those named.
drop: goes on without what waits; the log keeps it, and a rebuild tries it again.`,
  options: {},
  words: ['action?', 'read model?', 'key?'],
})
const [action = 'list', model, key] = words
if (!['list', 'retry', 'drop'].includes(action)) fail(`"${action}" is not one of list, retry, drop`, 2)
if (action === 'drop' && !key) fail('drop takes a read model and a key, as the list shows them', 2)

const families = familiesOf(readModels)
if (model && !familyNamed(families, model))
  fail(`There is no read model "${model}". There are: ${families.map(({ name }) => name).join(', ')}.`, 2)

const { log } = await openCommandLog()
const client = new pg.Client({ connectionString: log.databaseUrl, application_name: 'gangway: parked' })
let code = 0
try {
  await client.connect()
  await prepareClient(client)
  await createRegistry(client)
  const name = model && familyNamed(families, model)!.name
  const parked = (await listParked(client)).filter(
    (one) => (!name || one.family === name) && (!key || one.key === key),
  )
  if (parked.length === 0) {
    console.log(key ? 'Nothing of that key is parked.' : 'Nothing is parked.')
    if (key) code = 1
  } else if (action === 'list') list(parked)
  else for (const one of parked) code = Math.max(code, await act(one))
} catch (error) {
  console.error((error as Error).message)
  code = 1
} finally {
  await client.end()
  await log.close()
}
process.exit(code)

function list(parked: readonly ParkedKey[]): void {
  for (const { family, key: parkedKey, events, first } of parked) {
    console.log(`${family} ${parkedKey}`)
    console.log(`  since ${first.parkedAt}: ${first.error ?? 'queued'}`)
    console.log(
      `  at ${first.type}, revision ${first.revision} of ${first.stream}, position ${first.position}`,
    )
    console.log(`  ${events} ${events === 1 ? 'event waits' : 'events wait'}`)
  }
  console.log(`
Once the cause is mended:   npm run parked -- retry
To go on without one:       npm run parked -- drop ${parked[0]!.family} '${parked[0]!.key}'`)
}

/** Answers 1 when something is left. */
async function act({ family: name, key: parkedKey }: ParkedKey): Promise<number> {
  const family = families.find((one) => one.name === name) as Family
  if (action === 'drop') {
    console.log(`${name} ${parkedKey}: ${(await dropParked(client, family, parkedKey)) ?? 0} dropped`)
    return 0
  }
  const retried = await retryParked(log.store, client, family, parkedKey)
  if (!retried) return 0
  const left = retried.left > 0 ? `, ${retried.left} wait on: ${retried.error ?? ''}` : ''
  console.log(`${name} ${parkedKey}: ${retried.applied} applied${left}`)
  return retried.left > 0 ? 1 : 0
}
