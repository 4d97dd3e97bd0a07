import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { Fault } from './fault.ts'

/** What every answer says of itself. */
export interface Envelope {
  /** ISO 8601: nothing later was seen. */
  readonly asOf: string
  /** The last event of the log that the answer knows. */
  readonly asOfPosition: string
  /** SHA-256 of the query as canonical JSON, `asOf` aside: equal for queries that ask the same. */
  readonly definitionHash: string
  /** Whether every figure is exact; nothing here samples, and a warning says what else could not be told. */
  readonly exact: boolean
  readonly computeMs: number
  readonly warnings: readonly string[]
}

/** An answer, or every fault found in the query. */
export type Outcome<Answer> = { readonly answer: Answer & Envelope } | { readonly faults: readonly Fault[] }

export function envelope(about: {
  readonly query: unknown
  readonly asOf: number
  readonly position: string
  /** `performance.now()` when work began. */
  readonly began: number
  readonly warnings: Iterable<string>
  readonly exact?: boolean
}): Envelope {
  return {
    asOf: new Date(about.asOf).toISOString(),
    asOfPosition: about.position,
    definitionHash: definitionHash(about.query),
    exact: about.exact ?? true,
    computeMs: Math.round((performance.now() - about.began) * 1000) / 1000,
    warnings: [...about.warnings],
  }
}

export function definitionHash(query: unknown): string {
  const { asOf: _, ...definition } = query as Record<string, unknown>
  return createHash('sha256').update(canonicalize(definition)!).digest('hex')
}
