import { createFlows } from '../commands/flows.ts'
import { parseReplayPoint, type ReplayPoint, replaySession } from '../commands/replaySession.ts'
import type { StoredEvent } from '../domain/envelope.ts'
import { parseStreamName, streamName } from '../domain/stream.ts'
import { fail, readCommandLine } from './commandLine.ts'
import { openCommandLog } from './commandLog.ts'
import { plain } from './faultLine.ts'
import { eventTable, replayPage } from './replayPage.ts'

const { options, flags } = readCommandLine({
  usage: 'npm run replay -- --tenant T --stream S [--at REVISION|TIME] [--json]',
  summary: 'Shows a session as it was beside the events that made it, or the events of any other stream.',
  options: {
    tenant: { value: 'T', help: 'whose stream it is', required: true },
    stream: { value: 'S', help: 'the id of a session, or the whole name of a stream', required: true },
    at: { value: 'POINT', help: 'a revision, or a time of occurredAt (ISO 8601 with its zone); inclusive' },
    json: { help: 'as JSON: {session, events}' },
  },
})
const tenant = options.tenant!
const at = options.at === undefined ? undefined : parseReplayPoint(options.at)
if (options.at !== undefined && !at)
  fail(`--at must be a revision or an ISO 8601 time with its zone, not "${plain(options.at)}"`, 2)

const { log } = await openCommandLog()
const output = await replay(options.stream!).catch((error) => fail(`It cannot be replayed: ${error.message}`))
await log.close()
if (output === undefined)
  fail(
    `Tenant ${plain(tenant)} has no stream or session "${plain(options.stream!)}"${at ? ' up to then' : ''}.`,
  )
process.stdout.write(`${output}\n`)

async function replay(named: string): Promise<string | undefined> {
  const { store } = log
  // A session's id may look like the name of a stream: what is there decides.
  const whole = parseStreamName(named)?.tenant === tenant && (await store.heads([named])).has(named)
  const stream = whole ? named : streamName('session', tenant, named)
  const { category, id } = parseStreamName(stream)!
  const paint = {
    colour: process.stdout.isTTY === true && !process.env.NO_COLOR,
    width: process.stdout.columns ?? 140,
  }
  if (category === 'session') {
    const replayed = await replaySession({ store, flows: createFlows(store) }, tenant, id, at)
    if (!replayed) return undefined
    return flags.has('json') ? JSON.stringify(replayed, null, 2) : replayPage(id, replayed, paint)
  }
  const events = await eventsUpTo(stream)
  if (events.length === 0) return undefined
  return flags.has('json') ? JSON.stringify({ events }, null, 2) : eventTable(events, paint).join('\n')
}

async function eventsUpTo(stream: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  for await (const event of log.store.read(stream)) if (isWithin(event, at)) events.push(event)
  return events
}

function isWithin(event: StoredEvent, point: ReplayPoint | undefined): boolean {
  if (!point) return true
  return 'revision' in point ? event.revision <= point.revision : event.metadata.occurredAt <= point.time
}
