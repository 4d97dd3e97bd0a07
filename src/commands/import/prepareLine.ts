import { type HistoryLine, readHistoryLine } from '../../domain/historyLine.ts'
import { isDeeperThan, MAX_DEPTH } from '../../domain/json.ts'
import { canonicalJson } from '../../eventStore/canonicalJson.ts'
import type { LineLedger } from './lineLedger.ts'
import type { InputLine } from './lineSplitter.ts'

/** A line that can be recorded, known from here on by its id: a digest of its content and how many equal ones came before. */
export interface PreparedLine extends HistoryLine {
  readonly line: number
  readonly id: string
  /** The canonical JSON of the event's data. */
  readonly dataText: string
  /** Of the line's text, roughly; the event's data is hardly ever longer. */
  readonly bytes: number
}

export interface RejectedLine {
  /** From 1. */
  readonly line: number
  readonly code: string
  readonly detail: string
}

export function prepareLine(input: InputLine, ledger: LineLedger): PreparedLine | RejectedLine {
  if ('fault' in input)
    return { line: input.number, code: input.fault, detail: input.detail ?? faultDetails[input.fault] }
  let value: unknown
  try {
    value = JSON.parse(input.text)
  } catch (error) {
    return { line: input.number, code: 'malformed_json', detail: (error as Error).message.slice(0, 200) }
  }
  const read = readHistoryLine(value)
  if ('code' in read) return { line: input.number, code: read.code, detail: read.detail }
  const { session, occurredAt, event } = read
  if (isDeeperThan(value, MAX_DEPTH))
    return {
      line: input.number,
      code: 'invalid_line',
      detail: `the line is nested more than ${MAX_DEPTH} levels deep`,
    }
  const dataText = canonical(event.data)
  if (dataText === undefined)
    return {
      line: input.number,
      code: 'invalid_line',
      detail: 'a text in the line is not well-formed Unicode, or a number is past what a double holds',
    }
  const { digest, before } = ledger.next(session, `${event.type} ${occurredAt} ${dataText}`)
  return {
    line: input.number,
    session,
    occurredAt,
    event,
    id: `line:${digest}:${before}`,
    dataText,
    bytes: input.text.length * 3 > SMALL ? Buffer.byteLength(input.text) : input.text.length,
  }
}

/** Below this a line's bytes need not be known exactly. */
const SMALL = 10_000

const faultDetails = {
  line_too_long: 'a line is at most 1 MiB',
  invalid_utf8: 'the line is not UTF-8',
  malformed_csv: 'the row does not fit the header',
}

/** RFC 8785; undefined for what has no canonical form, such as a lone surrogate. */
function canonical(value: unknown): string | undefined {
  try {
    return canonicalJson(value)
  } catch {
    return undefined
  }
}
