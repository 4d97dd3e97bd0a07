import type { Adapters, Vector } from './adapter.ts'

export interface Verdict {
  readonly id: string
  readonly category: string
  readonly passed: boolean
  /** What was computed, in the shape of `expected`. */
  readonly got: unknown
  readonly expected: unknown
  /** Why there is nothing to compare: no adapter, or one that threw. */
  readonly fault?: string
}

/** Runs one case through its category's adapter. A case that throws has failed; the others go on. */
export function check(vector: Vector, adapters: Adapters): Verdict {
  const { id, category, expected, tolerance } = vector
  const adapter = adapters[category]
  const base = { id, category, expected }
  if (!adapter) return { ...base, passed: false, got: null, fault: `no adapter for category ${category}` }
  try {
    const got = narrowed(adapter(vector.inputs, vector), expected)
    return { ...base, passed: within(got, expected, tolerance), got }
  } catch (error) {
    return {
      ...base,
      passed: false,
      got: null,
      fault: error instanceof Error ? error.message : String(error),
    }
  }
}

/** An object of which only some keys are expected is cut down to these. */
function narrowed(got: unknown, expected: unknown): unknown {
  if (!isRecord(got) || !isRecord(expected)) return got
  return Object.fromEntries(Object.keys(expected).map((key) => [key, narrowed(got[key], expected[key])]))
}

/** Equal, numbers to an absolute tolerance. Lists are of the same length; objects have the expected keys. */
export function within(got: unknown, expected: unknown, tolerance: number): boolean {
  if (typeof expected === 'number') return typeof got === 'number' && close(got, expected, tolerance)
  if (Array.isArray(expected))
    return (
      Array.isArray(got) &&
      got.length === expected.length &&
      expected.every((value, i) => within(got[i], value, tolerance))
    )
  if (isRecord(expected))
    return (
      isRecord(got) && Object.entries(expected).every(([key, value]) => within(got[key], value, tolerance))
    )
  return got === expected
}

const close = (got: number, expected: number, tolerance: number): boolean =>
  got === expected || Math.abs(got - expected) <= tolerance

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
