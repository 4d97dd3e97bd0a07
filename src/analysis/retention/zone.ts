import { Temporal } from 'temporal-polyfill'

/** The UTC offsets of a time zone over a span: from each time in `from` (ms, ascending; the first −∞) the offset (ms) beside it. */
export interface Zone {
  readonly from: Float64Array
  readonly offset: Float64Array
}

/** Whether the IANA database (or ±hh:mm) knows the zone. */
export function isZone(timezone: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timezone)
    return true
  } catch {
    return false
  }
}

/** The offsets of a zone between two times, ms since 1970 UTC. */
export function zoneBetween(timezone: string, oldest: number, newest: number): Zone {
  let at = Temporal.Instant.fromEpochMilliseconds(Math.floor(oldest)).toZonedDateTimeISO(timezone)
  const from = [Number.NEGATIVE_INFINITY]
  const offset = [at.offsetNanoseconds / 1e6]
  for (;;) {
    const next = at.getTimeZoneTransition('next')
    if (!next || next.epochMilliseconds > newest) break
    from.push(next.epochMilliseconds)
    offset.push(next.offsetNanoseconds / 1e6)
    at = next
  }
  return { from: Float64Array.from(from), offset: Float64Array.from(offset) }
}
