/** Years past 9999 are written with a sign, which no longer sorts as text. */
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/** The time some seconds after another, both ISO 8601, UTC, milliseconds; at the latest the end of the year 9999. */
export function later(at: string, seconds: number): string {
  return new Date(Math.min(Date.parse(at) + seconds * 1000, LATEST)).toISOString()
}
