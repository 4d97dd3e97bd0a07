import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { SessionEvent } from './sessionEvents.ts'
import { shapeFaults } from './shapeFaults.ts'

/** One line of a history import: what an earlier system knows to have happened to one session at one time. */
export interface HistoryLine {
  readonly session: string
  /** ISO 8601, UTC, milliseconds. */
  readonly occurredAt: string
  readonly event: SessionEvent
}

export interface LineFault {
  readonly code: 'malformed_json' | 'invalid_line' | 'invalid_time'
  readonly detail: string
}

/** Printable: no control characters, no lone surrogates, not only blanks. */
const name = Type.String({ minLength: 1, maxLength: 200, pattern: '^(?=.*\\S)[^\\p{Cc}\\p{Cs}]+$' })
const base = { session: name, at: Type.String() }
const record = Type.Record(Type.String(), Type.Unknown())
const exact = { additionalProperties: false }

/** The five kinds of line, by the field that tells them apart. */
const kinds = {
  step: Type.Object({ ...base, step: name, data: Type.Optional(record) }, exact),
  signal: Type.Object(
    { ...base, signal: name, value: Type.Optional(Type.Number()), properties: Type.Optional(record) },
    exact,
  ),
  exposure: Type.Object(
    { ...base, exposure: Type.Object({ experiment: name, variant: name }, exact) },
    exact,
  ),
  attributes: Type.Object({ ...base, attributes: record, user: Type.Optional(name) }, exact),
  status: Type.Object(
    { ...base, status: Type.Union([Type.Literal('completed'), Type.Literal('abandoned')]) },
    exact,
  ),
}
type Kind = keyof typeof kinds
type LineOf<K extends Kind> = Static<(typeof kinds)[K]>

const kindNames = Object.keys(kinds) as Kind[]
const checks = new Map(kindNames.map((kind) => [kind, Compile(kinds[kind] as Type.TSchema)]))

/** Reads one parsed line, or says what is wrong with it. Never throws. */
export function readHistoryLine(value: unknown): HistoryLine | LineFault {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { code: 'invalid_line', detail: 'a line is a JSON object' }
  let kind: Kind | undefined
  for (const one of kindNames) {
    if (!Object.hasOwn(value, one)) continue
    if (kind !== undefined) return notOneKind(value)
    kind = one
  }
  if (kind === undefined) return notOneKind(value)
  const check = checks.get(kind)!
  if (!check.Check(value)) {
    const faults = shapeFaults(check.Errors(value)).map(({ pointer, detail }) => `${pointer} ${detail}`)
    return { code: 'invalid_line', detail: faults.slice(0, 5).join('; ') }
  }
  const line = value as LineOf<Kind>
  const occurredAt = toUtc(line.at)
  if (!occurredAt)
    return {
      code: 'invalid_time',
      detail: `/at must be an ISO 8601 date or time, not ${JSON.stringify(line.at.slice(0, 60))}`,
    }
  return { session: line.session, occurredAt, event: eventOf(kind, line) }
}

function notOneKind(value: object): LineFault {
  const present = kindNames.filter((kind) => Object.hasOwn(value, kind))
  const found = present.length > 1 ? `, this one has ${present.join(' and ')}` : ''
  return { code: 'invalid_line', detail: `a line has exactly one of ${kindNames.join(', ')}${found}` }
}

/** Members in sorted order, as they are stored. */
function eventOf(kind: Kind, line: LineOf<Kind>): SessionEvent {
  switch (kind) {
    case 'step': {
      const { step, data } = line as LineOf<'step'>
      return { type: 'StepCompleted', data: { data: data ?? {}, stepId: step } }
    }
    case 'signal': {
      const { signal, value, properties } = line as LineOf<'signal'>
      return {
        type: 'SignalTracked',
        data: { ...(properties && { properties }), signal, ...(value !== undefined && { value }) },
      }
    }
    case 'exposure':
      return { type: 'ExposureRecorded', data: (line as LineOf<'exposure'>).exposure }
    case 'attributes': {
      const { attributes, user } = line as LineOf<'attributes'>
      return { type: 'AttributesRecorded', data: { attributes, ...(user ? { userId: user } : {}) } }
    }
    case 'status':
      return (line as LineOf<'status'>).status === 'completed'
        ? { type: 'SessionCompleted', data: {} }
        : { type: 'SessionAbandoned', data: { reason: 'imported' } }
  }
}

const isoTime =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/
const utcMilliseconds = /^\d{4}-\d\d-\d\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z$/

/** A date is its midnight, and a time without an offset is taken as UTC. Undefined for what is not a real time. */
export function toUtc(text: string): string | undefined {
  // Most are written as they are kept, so that only the day and the hour are to be looked at.
  if (text.length === 24 && utcMilliseconds.test(text)) {
    const month = twoDigits(text, 5)
    const day = twoDigits(text, 8)
    return isDay(twoDigits(text, 0) * 100 + twoDigits(text, 2), month, day) && twoDigits(text, 11) < 24
      ? text
      : undefined
  }
  const found = isoTime.exec(text)
  if (!found) return undefined
  const [, year, month, day, hour = '00', minute = '00', second = '00', zone = 'Z'] = found
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  if (!isDay(Number(year), Number(month), Number(day))) return undefined
  const fraction = /[.,](\d+)/.exec(text)?.[1]?.slice(0, 3).padEnd(3, '0') ?? '000'
  const offset = zone === 'Z' ? zone : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction}${offset}`)
  if (Number.isNaN(time.getTime())) return undefined
  const utc = time.toISOString()
  // An offset may lead out of the years that have four digits.
  return utc.length === 24 ? utc : undefined
}

function twoDigits(text: string, at: number): number {
  return (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48
}

/** Of the Gregorian calendar, also before there was one. */
function isDay(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return day <= (month === 2 && isLeap ? 29 : DAYS[month - 1]!)
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
