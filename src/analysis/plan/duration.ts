import type { Faults } from './fault.ts'

/**
 * An ISO 8601 duration in ms. Weeks, days (of 24 h), hours, minutes and seconds; months and years have no fixed length and are
 * refused, as is what is negative or nothing at all.
 */
export function parseDuration(text: unknown, faults: Faults): number | undefined {
  if (typeof text !== 'string') return faults.add('an ISO 8601 duration is expected, such as P7D or PT1H')
  const match = PATTERN.exec(text)
  if (!match) return faults.add(`not an ISO 8601 duration, such as P7D or PT1H: ${clip(text)}`)
  const [, sign, years, months, weeks, days, hours, minutes, seconds] = match
  if (years !== undefined || months !== undefined) {
    return faults.add('months and years have no fixed length; give weeks or days')
  }
  const parts = [weeks, days, hours, minutes, seconds]
  if (parts.every((part) => part === undefined)) return faults.add('the duration names no length')
  const ms = parts.reduce((sum, part, i) => sum + number(part) * UNITS[i]!, 0)
  if (sign === '-' && ms > 0) return faults.add('the duration must not be negative')
  if (!Number.isSafeInteger(Math.round(ms))) return faults.add('the duration is too long')
  return Math.round(ms)
}

const AMOUNT = String.raw`(\d+(?:[.,]\d+)?)`
const PATTERN = new RegExp(
  `^([-+])?P(?:${AMOUNT}Y)?(?:${AMOUNT}M)?(?:${AMOUNT}W)?(?:${AMOUNT}D)?` +
    `(?:T(?=\\d)(?:${AMOUNT}H)?(?:${AMOUNT}M)?(?:${AMOUNT}S)?)?$`,
)
const UNITS = [7 * 864e5, 864e5, 36e5, 6e4, 1e3]

const number = (part: string | undefined) => (part === undefined ? 0 : Number(part.replace(',', '.')))
const clip = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}…` : text)

/** An ISO 8601 time with its offset, or a date (midnight UTC), in ms since 1970 UTC. */
export function parseTime(text: unknown, faults: Faults): number | undefined {
  const ms = typeof text === 'string' && TIME.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(ms) ? faults.add('an ISO 8601 time is expected, such as 2026-01-31T09:00:00Z') : ms
}

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/
