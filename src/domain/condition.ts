import { type CelProgram, compileCel } from './cel.ts'
import type { Variable } from './celCheck.ts'
import { an } from './celKinds.ts'
import { celValue, jsonMap, type Members } from './celValues.ts'
import type { JsonObject } from './json.ts'

/** What a condition sees. `pending(step)` says that a step comes earlier but may still be answered. */
export interface ConditionFacts {
  readonly context: JsonObject
  readonly answers: ReadonlyMap<string, unknown>
  readonly profile: JsonObject
  readonly session: JsonObject
  readonly pending: (stepId: string) => boolean
}

type Verdict =
  | { readonly kind: 'decided'; readonly value: boolean }
  /** It read an answer that is not given yet. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'failed'; readonly message: string }

/** A CEL condition of a flow, planned once. */
export interface Condition {
  readonly source: string
  /** Ids of the steps whose answers it names. */
  readonly reads: readonly string[]
  /** Never throws; bounded in time. */
  evaluate(facts: ConditionFacts): Verdict
}

const session: Variable = {
  kind: 'map',
  members: {
    userId: 'dyn',
    flowId: 'string',
    flowVersion: 'double',
    status: 'string',
    startedAt: 'string',
  },
}
const variables = {
  context: { kind: 'map' },
  answers: { kind: 'map' },
  profile: { kind: 'map' },
  session,
} satisfies Record<string, Variable>

/** What is wrong with a condition. `answerable` are the steps before its own; an audience has none. */
export function conditionFaults(
  source: string,
  answerable: ReadonlySet<string>,
  steps: ReadonlySet<string>,
): string[] {
  const program = compileCel(source, variables)
  if (!('evaluate' in program)) return [...program.faults]
  const faults = answersRead(program)
    .filter((id) => !answerable.has(id))
    .map((id) => (steps.has(id) ? `reads ${id}, which comes no earlier` : `reads ${id}, which is no step`))
  if (program.kind !== 'bool' && program.kind !== 'dyn') {
    faults.push(`results in ${an(program.kind)}, not in a boolean`)
  }
  return faults
}

/** A condition that has faults fails at every evaluation. It is planned at its first use. */
export function planCondition(source: string): Condition {
  let compiled: ReturnType<typeof compileCel> | undefined
  const program = () => {
    compiled ??= compileCel(source, variables)
    return compiled
  }
  return {
    source,
    get reads() {
      const planned = program()
      return 'evaluate' in planned ? answersRead(planned) : []
    },
    evaluate(facts) {
      const planned = program()
      if (!('evaluate' in planned)) return { kind: 'failed', message: planned.faults.join('; ') }
      return judge(planned, facts)
    },
  }
}

function judge(program: CelProgram, facts: ConditionFacts): Verdict {
  const answers = new Answers(facts)
  const outcome = program.evaluate({
    context: celValue(facts.context),
    answers: jsonMap(answers),
    profile: celValue(facts.profile),
    session: celValue(facts.session),
  })
  if ('failure' in outcome) {
    return answers.missed ? { kind: 'undecided' } : { kind: 'failed', message: outcome.failure }
  }
  if (typeof outcome.value === 'boolean') return { kind: 'decided', value: outcome.value }
  return { kind: 'failed', message: 'does not result in a boolean' }
}

function answersRead(program: CelProgram): string[] {
  return program.reads.filter(({ variable }) => variable === 'answers').map(({ member }) => member)
}

/** The answers given, which remember whether one was read that is still to come. Asking whether it is there reads nothing. */
class Answers implements Members {
  missed = false
  private readonly facts: ConditionFacts

  constructor(facts: ConditionFacts) {
    this.facts = facts
  }

  get size(): number {
    return this.facts.answers.size
  }

  get(stepId: string): unknown {
    const answer = this.facts.answers.get(stepId)
    if (answer === undefined && this.facts.pending(stepId)) this.missed = true
    return answer
  }

  has(stepId: string): boolean {
    return this.facts.answers.has(stepId)
  }

  keys(): IterableIterator<string> {
    return this.facts.answers.keys()
  }
}
