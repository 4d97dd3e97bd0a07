/** `2026-11-20 10:00:00.12+00` → `2026-11-20T10:00:00.120Z`, as ISO 8601 in UTC has it; other offsets and years are seen to too. */
export function isoOfPostgres(text: string): string {
  if (!text.endsWith('+00') || text.length > 26 || text.charCodeAt(10) !== SPACE) return isoOfUnusual(text)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${text[19] === '.' ? text.slice(20, -3).padEnd(3, '0') : '000'}Z`
}

const SPACE = 32

/** What `timestamptz` takes for an ISO 8601 time, and what it refuses for anything else: years below 1 are written as BC, and years past 9999 without a sign. */
export function postgresOfIso(iso: string): string {
  if (iso.length === 24 && !iso.startsWith('0000')) return iso
  const found = /^([+-]?)(\d+)(-\d\d-\d\dT.*)$/.exec(iso)
  if (!found) return iso
  const [, sign, year, rest] = found
  const number = Number(sign === '-' ? `-${year}` : year)
  return number > 0
    ? `${year!.replace(/^0+(?=\d{4})/, '')}${rest}`
    : `${String(1 - number).padStart(4, '0')}${rest} BC`
}

function isoOfUnusual(text: string): string {
  const found = /^(\d+)-(\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?([+-]\d\d)(?::?(\d\d))?( BC)?$/.exec(text)
  if (!found) throw new Error(`not a time of Postgres: ${text}`)
  const [, year, day, time, fraction = '', hours, minutes = '00', bc] = found
  const number = bc ? 1 - Number(year) : Number(year)
  const digits = String(Math.abs(number))
  const isoYear =
    number < 0 || number > 9999
      ? `${number < 0 ? '-' : '+'}${digits.padStart(6, '0')}`
      : digits.padStart(4, '0')
  const iso = `${isoYear}-${day}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}`
  const offset = Number(`${hours}`) * 60 + Math.sign(Number(`${hours}1`)) * Number(minutes)
  return new Date(Date.parse(`${iso}Z`) - offset * 60_000).toISOString()
}
