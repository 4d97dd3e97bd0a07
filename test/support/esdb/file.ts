import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { type Change, EventLog, type Recorded } from './log.ts'

/**
 * The log kept in a file, a line a change, written before the append is answered: what was acknowledged is there after SIGKILL.
 * (The page cache outlives the process; it does not outlive the machine, which is not what these tests are about.)
 */
export function openLog(file?: string): { log: EventLog; close: () => void } {
  if (file === undefined) {
    const log = new EventLog()
    writeSystemEvents(log)
    return { log, close: () => {} }
  }
  const known = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const whole = known.slice(0, known.lastIndexOf('\n') + 1)
  const handle = openSync(file, 'a')
  // A line cut short by the kill was never acknowledged; end it so that the next change starts its own line.
  if (known.length > whole.length) writeSync(handle, '\n')
  const log = new EventLog((change) => {
    writeSync(handle, `${JSON.stringify(change, bytesAsBase64)}\n`)
  })
  for (const line of known.split('\n')) {
    const change = parseChange(line)
    if (change) log.apply(change)
  }
  if (log.all.length === 0) writeSystemEvents(log)
  return { log, close: () => closeSync(handle) }
}

/** A fresh server's log is never empty: readers must know how to pass its own events by. */
function writeSystemEvents(log: EventLog): void {
  for (const [stream, type, id] of [
    ['$epoch-information', '$epoch-information', '00000000-0000-4000-8000-000000000001'],
    ['$users', '$UserCreated', '00000000-0000-4000-8000-000000000002'],
  ] as const) {
    const data = Buffer.from('{}')
    const proposed = { id, type, contentType: 'application/json', data, metadata: new Uint8Array() }
    log.append(stream, [proposed], 'no_stream')
  }
}

function bytesAsBase64(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const raw = this[key]
  return raw instanceof Uint8Array ? Buffer.from(raw).toString('base64') : value
}

function parseChange(line: string): Change | undefined {
  if (line === '') return undefined
  try {
    const change = JSON.parse(line) as Change
    if (change.kind === 'deleted') return change
    return { kind: 'written', events: change.events.map(withBytes) }
  } catch {
    return undefined
  }
}

function withBytes(event: Recorded): Recorded {
  return {
    ...event,
    data: Buffer.from(event.data as unknown as string, 'base64'),
    metadata: Buffer.from(event.metadata as unknown as string, 'base64'),
  }
}
