/**
 * A position is a string of decimal digits without leading zeros, compared as an integer. It is a string outside the
 * store because EventStoreDB's positions do not fit a JavaScript number.
 */
export type Position = string

/** Before every event. */
export const START: Position = '0'

/** Negative when `a` is before `b`, 0 when they are equal. */
export function comparePositions(a: Position, b: Position): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}

export function isPosition(text: string): boolean {
  return /^(0|[1-9][0-9]{0,18})$/.test(text)
}
