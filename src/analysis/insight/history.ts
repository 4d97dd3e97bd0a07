import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import type { Run } from '../columns/run.ts'
import { MISSING } from '../columns/valueDictionary.ts'

/** One event of a session, as far as insights look at it. */
export interface HistoryEvent {
  /** As the log names it: `StepCompleted`, `SessionPaused`, … */
  readonly type: string
  readonly step: string | null
  readonly signal: string | null
  /** Of a failed validation: the pointers of the fields that failed. */
  readonly pointers: readonly string[]
  /** ms since 1970 UTC */
  readonly time: number
}

export interface History {
  /** Its number in the index. */
  readonly session: number
  readonly id: string
  /** By time, then as recorded. */
  readonly events: readonly HistoryEvent[]
}

const STEP_EVENTS = [
  'StepStarted',
  'StepSaved',
  'StepValidationFailed',
  'StepSkipped',
  'StepReopened',
  'DifficultyDetected',
]

/** The history of one session up to `asOf`; undefined of a session not seen by then. */
export function historyOf(index: ColumnarIndex, id: string, asOf: number): History | undefined {
  const session = index.sessions.find(id)
  if (session < 0) return undefined
  index.view('session')
  const slice = index.runSet.slice(session)
  if (!slice) return undefined
  const events = reader(index).read(slice.run, slice.from, slice.to, asOf)
  return events.length > 0 ? { session, id, events } : undefined
}

/**
 * The histories of the sessions of the flow up to `asOf`, one after another: of all, or of `only` these
 * numbers, and of those in which something happened from `since` on.
 */
export function* histories(
  index: ColumnarIndex,
  asOf: number,
  only?: ReadonlySet<number>,
  since = Number.NEGATIVE_INFINITY,
): Generator<History> {
  const { runs } = index.view('session')
  const { read } = reader(index)
  for (const run of runs) {
    for (let slot = 0; slot < run.unit.length; slot++) {
      if (run.stale?.[slot]) continue
      const session = run.unit[slot]!
      if ((only && !only.has(session)) || run.time[run.start[slot + 1]! - 1]! < since) continue
      const events = read(run, run.start[slot]!, run.start[slot + 1]!, asOf)
      if (events.length > 0) yield { session, id: index.sessions.text(session), events }
    }
  }
}

function reader(index: ColumnarIndex) {
  const { codes } = index.codes
  const kinds = codes.map(({ kind, name }, code) => ({
    type: index.codes.type(code),
    step: kind === 'step' ? name : null,
    signal: kind === 'signal' ? name : null,
    atStep: kind === 'event' && STEP_EVENTS.includes(name),
    failed: kind === 'event' && name === 'StepValidationFailed',
  }))
  const pointersOf = new Map<number, readonly string[]>()

  function property(name: string, row: number): { readonly code: number; readonly value: unknown } {
    const column = index.properties.get(name)
    if (!column) return { code: MISSING, value: null }
    const place = find(column.row.items as Uint32Array, column.row.length, row)
    const code = place < 0 ? MISSING : column.code.items[place]!
    return { code, value: column.dictionary.value(code) }
  }

  function pointers(row: number): readonly string[] {
    const { code, value } = property('errors', row)
    const known = pointersOf.get(code)
    if (known) return known
    const errors = Array.isArray(value) ? (value as { readonly pointer?: unknown }[]) : []
    const found = [...new Set(errors.map(({ pointer }) => String(pointer ?? '')))]
    pointersOf.set(code, found)
    return found
  }

  function read({ code, time, row }: Run, from: number, to: number, asOf: number): HistoryEvent[] {
    const events: HistoryEvent[] = []
    for (let i = from; i < to && time[i]! <= asOf; i++) {
      const { type, step, signal, atStep, failed } = kinds[code[i]!]!
      events.push({
        type,
        step: atStep ? String(property('stepId', row[i]!).value ?? '') : step,
        signal,
        pointers: failed ? pointers(row[i]!) : NONE,
        time: time[i]!,
      })
    }
    return events
  }
  return { read }
}

const NONE: readonly string[] = []

/** The place of a number among ascending ones; −1 where it is not. */
function find(items: Uint32Array, length: number, wanted: number): number {
  let [low, high] = [0, length - 1]
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = items[middle]!
    if (found === wanted) return middle
    if (found < wanted) low = middle + 1
    else high = middle - 1
  }
  return -1
}
