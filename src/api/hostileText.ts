import type { InputFault } from '../domain/decider.ts'
import { MAX_DEPTH } from '../domain/json.ts'

const MAX_FAULTS = 100

/**
 * Parts of parsed JSON that no schema forbids and that could not be kept faithfully: nesting past 64 levels, numbers out of a double's
 * range, texts that are no Unicode (lone surrogates), and the member name `__proto__`. With pointers (RFC 6901) into the value.
 */
export function hostileParts(value: unknown): InputFault[] {
  if (isHarmless(value, 0)) return NONE
  const faults: InputFault[] = []
  look(value, '', 0, faults)
  return faults
}

const NONE: InputFault[] = []

/** Whether there is nothing to find: said of nearly every value, without making pointers into it. */
function isHarmless(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  if (depth === MAX_DEPTH) return false
  if (Array.isArray(value)) return value.every((item) => isHarmless(item, depth + 1))
  for (const name of Object.keys(value)) {
    if (name === '__proto__' || !name.isWellFormed()) return false
    if (!isHarmless((value as Record<string, unknown>)[name], depth + 1)) return false
  }
  return true
}

function look(value: unknown, pointer: string, depth: number, faults: InputFault[]): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) add(faults, pointer, 'holds half a surrogate pair, which is no Unicode text')
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) add(faults, pointer, 'is past what a 64-bit floating point number holds')
  } else if (typeof value === 'object' && value !== null) {
    if (depth === MAX_DEPTH) add(faults, pointer, `is nested more than ${MAX_DEPTH} levels deep`)
    else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) look(value[i], `${pointer}/${i}`, depth + 1, faults)
    } else lookAtMembers(value as Record<string, unknown>, pointer, depth, faults)
  }
}

function lookAtMembers(
  value: Record<string, unknown>,
  pointer: string,
  depth: number,
  faults: InputFault[],
): void {
  for (const name of Object.keys(value)) {
    const at = `${pointer}/${escapeToken(name)}`
    if (name === '__proto__') add(faults, at, 'is not a name that a member may have')
    else if (!name.isWellFormed()) add(faults, at.toWellFormed(), 'has a name that is no Unicode text')
    else look(value[name], at, depth + 1, faults)
  }
}

function add(faults: InputFault[], pointer: string, detail: string): void {
  if (faults.length < MAX_FAULTS) faults.push({ pointer, detail })
}

/** RFC 6901 §3. */
export function escapeToken(name: string): string {
  return name.includes('~') || name.includes('/') ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name
}
