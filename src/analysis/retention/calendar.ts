import type { Zone } from './zone.ts'

export type Period = 'hour' | 'day' | 'week' | 'month'

export const weekdays = [
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
  'sunday',
] as const
export type Weekday = (typeof weekdays)[number]

const HOUR = 36e5
const DAY = 864e5

/**
 * Numbers the calendar periods of a time zone: equal numbers are the same local day, week, month or hour, and the next one is one more.
 * Days are local days, of 23 or 25 hours where clocks change; hours are real hours, on the hour by the local clock.
 */
export class Calendar {
  readonly #period: Period
  readonly #zone: Zone
  /** Days from the start of the week that holds 1970-01-01 to that day. */
  readonly #shift: number
  #low = 0
  #high = 0
  #offset = 0
  /** Until then (ms, exclusive) times have the number that was asked for last; never too late. */
  end = Number.NEGATIVE_INFINITY

  constructor(period: Period, zone: Zone, weekStart: Weekday) {
    this.#period = period
    this.#zone = zone
    this.#shift = (3 - weekdays.indexOf(weekStart) + 7) % 7
  }

  /** The number of the period that holds a time, ms since 1970 UTC. */
  number(time: number): number {
    if (!(time >= this.#low && time < this.#high)) this.#locate(time)
    switch (this.#period) {
      case 'hour':
        return this.#even(time, modulo(this.#offset, HOUR), HOUR)
      case 'day':
        return this.#even(time, this.#offset, DAY)
      case 'week':
        return this.#even(time, this.#offset + this.#shift * DAY, 7 * DAY)
      case 'month':
        return month(this.#even(time, this.#offset, DAY))
    }
  }

  /** The number of a period of even length on the clock that is ahead of UTC by `ahead`. */
  #even(time: number, ahead: number, length: number): number {
    const number = divide(time + ahead, length)
    this.end = Math.min((number + 1) * length - ahead, this.#high)
    return number
  }

  /** The local date on which a period starts, for hours with the hour. */
  start(number: number): string {
    switch (this.#period) {
      case 'hour': {
        let time = number * HOUR
        this.#locate(time)
        time -= modulo(this.#offset, HOUR)
        this.#locate(time)
        return `${new Date(time + this.#offset).toISOString().slice(0, -11)}:00`
      }
      case 'day':
        return date(number)
      case 'week':
        return date(number * 7 - this.#shift)
      case 'month':
        return date(Date.UTC(1970, number, 1) / DAY)
    }
  }

  #locate(time: number): void {
    const { from, offset } = this.#zone
    let i = from.length - 1
    while (i > 0 && from[i]! > time) i -= 1
    this.#low = from[i]!
    this.#high = i + 1 < from.length ? from[i + 1]! : Number.POSITIVE_INFINITY
    this.#offset = offset[i]!
  }
}

/** ⌊a ÷ b⌋ of a whole number of ms: half a ms keeps the quotient clear of whole numbers, so that multiplying is exact. */
const divide = (a: number, b: number) => Math.floor((a + 0.5) * (1 / b))

const modulo = (a: number, b: number) => ((a % b) + b) % b

const date = (day: number) => new Date(day * DAY).toISOString().slice(0, -14)

/** Months since January 1970 of a day since 1970-01-01, by the proleptic Gregorian calendar (Hinnant, days_from_civil inverted). */
function month(day: number): number {
  const z = day + 719468
  const era = Math.floor(z / 146097)
  const doe = z - era * 146097
  const yoe = Math.floor(
    (doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365,
  )
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100))
  const mp = Math.floor((5 * doy + 2) / 153)
  const m = mp < 10 ? mp + 2 : mp - 10
  const year = yoe + era * 400 + (m <= 1 ? 1 : 0)
  return (year - 1970) * 12 + m
}
