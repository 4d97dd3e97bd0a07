import { type CelValue, isCelError, parse, plan } from '@bufbuild/cel'
import { type Checked, checkExpression, type Variable } from './celCheck.ts'
import { environment, withinBudget } from './celEnvironment.ts'

const MAX_LENGTH = 1000
/** The parser's time grows with the cube of the depth of brackets left open. */
const MAX_DEPTH = 32
const MAX_MESSAGE = 300

export interface CelProgram extends Checked {
  /** Never throws; bounded in time and memory. Bindings are CEL values, made of JSON by `celValue`. */
  evaluate(bindings: Readonly<Record<string, CelValue>>): CelOutcome
}

type CelOutcome = { readonly value: CelValue } | { readonly failure: string }

/**
 * Parses, type-checks and plans an expression of the Common Expression Language (cel.dev). Everything wrong with it comes back at
 * once, as sentences; what remains is planned once and may be evaluated any number of times.
 */
export function compileCel(
  source: string,
  variables: Readonly<Record<string, Variable>>,
): CelProgram | { readonly faults: readonly string[] } {
  if (source.length > MAX_LENGTH) return { faults: [`longer than ${MAX_LENGTH} characters`] }
  if (depth(source) > MAX_DEPTH) return { faults: [`brackets nested deeper than ${MAX_DEPTH}`] }
  try {
    const parsed = parse(source)
    const checked = checkExpression(parsed.expr!, variables)
    if (checked.faults.length > 0) return { faults: checked.faults }
    const run = plan(environment, parsed) as (bindings: object) => unknown
    return { ...checked, evaluate: (bindings) => evaluate(run, bindings) }
  } catch (error) {
    return { faults: [syntaxFault((error as Error).message)] }
  }
}

/** A failure is a result like any other and nobody reads its stack, which costs ten times the evaluation. */
function evaluate(run: (bindings: object) => unknown, bindings: object): CelOutcome {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    const value = withinBudget(() => run({ __proto__: null, ...bindings }))
    return isCelError(value) ? { failure: message(value) } : { value: value as CelValue }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function message(error: Error): string {
  return error.message.slice(0, MAX_MESSAGE)
}

/** Brackets in texts count too, which errs on the safe side. */
function depth(source: string): number {
  let open = 0
  let deepest = 0
  for (const character of source) {
    if ('([{'.includes(character)) deepest = Math.max(deepest, ++open)
    else if (')]}'.includes(character)) open -= 1
  }
  return deepest
}

/** `<input>:1:11: found = but expecting end of input` → `does not parse: found = at column 11`. */
function syntaxFault(text: string): string {
  const found = /^<input>:\d+:(\d+): (found .*?) but expecting/s.exec(text)
  return `does not parse: ${found ? `${found[2]} at column ${found[1]}` : text.slice(0, MAX_MESSAGE)}`
}
