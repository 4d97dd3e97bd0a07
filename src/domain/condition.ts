import { CelScalar, celEnv, isCelError, mapType, parse, plan } from '@bufbuild/cel'
import type { JsonObject } from './json.ts'

/** What a condition sees. `pending(step)` says that a step comes earlier but has no answer yet. */
export interface ConditionFacts {
  readonly context: JsonObject
  readonly answers: ReadonlyMap<string, unknown>
  readonly profile: JsonObject
  readonly session: JsonObject
  readonly pending: (stepId: string) => boolean
}

export type Verdict =
  | { readonly kind: 'decided'; readonly value: boolean }
  /** It read an answer that is not given yet. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'failed'; readonly message: string }

export interface Condition {
  readonly source: string
  /** Ids of the steps whose answers it names. */
  readonly reads: readonly string[]
  /** Never throws; bounded in time. */
  evaluate(facts: ConditionFacts): Verdict
}

const map = mapType(CelScalar.STRING, CelScalar.DYN)
const env = celEnv({ variables: { context: map, answers: map, profile: map, session: map } })

export function planCondition(source: string): Condition {
  let run: ReturnType<typeof plan> | undefined
  return {
    source,
    reads: [],
    evaluate(facts) {
      try {
        run ??= plan(env, parse(source)) as ReturnType<typeof plan>
        const value = run({
          context: facts.context,
          answers: facts.answers,
          profile: facts.profile,
          session: facts.session,
        } as never)
        if (typeof value === 'boolean') return { kind: 'decided', value }
        if (isCelError(value)) return { kind: 'failed', message: value.message }
        return { kind: 'failed', message: 'not a boolean' }
      } catch (error) {
        return { kind: 'failed', message: (error as Error).message }
      }
    },
  }
}
