import { celEnv, isCelError, parse, plan } from '@bufbuild/cel'
import type { Faults } from './fault.ts'

/** A CEL condition, planned, with what it reads, so that it is evaluated once for each combination of values. */
export interface Condition {
  readonly source: string
  /** The keys read of each variable; null where it is read whole or by a computed key. */
  readonly reads: Readonly<Record<Variable, readonly string[] | null>>
  /** True, false, or a message where the condition could not be evaluated. A key that is missing is simply false. */
  readonly evaluate: (bindings: Bindings) => boolean | { readonly error: string }
}

export interface Bindings {
  readonly properties: Readonly<Record<string, unknown>>
  readonly attributes: Readonly<Record<string, unknown>>
  /** The value of a signal; null of other events. */
  readonly value: number | null
}

export type Variable = keyof Bindings

const environment = celEnv()
const MAX_LENGTH = 1000

/** Plans a condition over the variables given, or tells its faults. */
export function compileCondition(
  source: unknown,
  variables: readonly Variable[],
  faults: Faults,
): Condition | undefined {
  if (typeof source !== 'string') return faults.add('a CEL expression is expected')
  if (source.length > MAX_LENGTH) return faults.add(`a condition has at most ${MAX_LENGTH} characters`)
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(source)
  } catch (error) {
    return faults.add(`does not parse: ${message(error)}`)
  }
  const reads = { properties: new Set<string>(), attributes: new Set<string>(), value: new Set<string>() }
  const whole = new Set<Variable>()
  const before = faults.list.length
  walk(parsed.expr as unknown as Node, {
    names: new Set(variables),
    bound: new Set(),
    depth: 0,
    key: (variable, key) => (key === null ? whole.add(variable) : reads[variable].add(key)),
    fault: (detail) => faults.add(detail),
  })
  if (faults.list.length > before) return undefined
  const run = plan(environment, parsed) as (bindings: Record<string, unknown>) => unknown
  const constant = { properties: {}, attributes: {}, value: null }
  const read = Object.values(reads).some((keys) => keys.size > 0) || whole.size > 0
  if (!read && typeof run(constant) !== 'boolean') return faults.add('the condition is not true or false')
  const keys = (variable: Variable) => (whole.has(variable) ? null : [...reads[variable]])
  return {
    source,
    reads: { properties: keys('properties'), attributes: keys('attributes'), value: keys('value') },
    evaluate: (bindings) => {
      const result = run(bindings as unknown as Record<string, unknown>)
      if (typeof result === 'boolean') return result
      if (!isCelError(result)) return { error: 'the condition is not true or false' }
      return /not found|no such key/.test(result.message) ? false : { error: result.message }
    },
  }
}

interface Walk {
  readonly names: ReadonlySet<string>
  /** Variables of comprehensions around. */
  readonly bound: ReadonlySet<string>
  readonly depth: number
  readonly key: (variable: Variable, key: string | null) => void
  readonly fault: (detail: string) => void
}

/** An expression of CEL's syntax tree, as far as it is looked at here. */
// biome-ignore lint/suspicious/noExplicitAny: the tree's own types come from a package that is not ours to import.
type Node = any

function walk(node: Node, walked: Walk): void {
  if (!node) return
  const { case: kind, value } = node.exprKind ?? {}
  switch (kind) {
    case 'identExpr':
      variable(value.name, null, walked)
      return
    case 'selectExpr':
      if (value.operand?.exprKind?.case === 'identExpr') {
        variable(value.operand.exprKind.value.name, value.field, walked)
      } else walk(value.operand, walked)
      return
    case 'callExpr':
      call(value, walked)
      return
    case 'listExpr':
      for (const element of value.elements) walk(element, walked)
      return
    case 'structExpr':
      for (const entry of value.entries) {
        if (entry.keyKind?.case === 'mapKey') walk(entry.keyKind.value, walked)
        walk(entry.value, walked)
      }
      return
    case 'comprehensionExpr':
      comprehension(value, walked)
      return
  }
}

function call(value: Node, walked: Walk): void {
  const [map, key] = value.args
  const text = key?.exprKind?.value?.constantKind
  if (
    value.function === '_[_]' &&
    map?.exprKind?.case === 'identExpr' &&
    key?.exprKind?.case === 'constExpr' &&
    text?.case === 'stringValue'
  ) {
    variable(map.exprKind.value.name, text.value, walked)
    return
  }
  if (!OPERATOR.test(value.function) && !environment.funcs.find(value.function)) {
    walked.fault(`unknown function: ${value.function}`)
  }
  walk(value.target, walked)
  for (const argument of value.args) walk(argument, walked)
}

const OPERATOR = /^[@_!-]/

function comprehension(value: Node, walked: Walk): void {
  if (walked.depth > 1) walked.fault('comprehensions may be nested once')
  walk(value.iterRange, { ...walked, depth: walked.depth + 1 })
  const bound = new Set([...walked.bound, value.iterVar, value.iterVar2, value.accuVar])
  const inside = { ...walked, bound, depth: walked.depth + 1 }
  for (const part of [value.accuInit, value.loopCondition, value.loopStep, value.result]) walk(part, inside)
}

function variable(name: string, key: string | null, { names, bound, ...walked }: Walk): void {
  if (bound.has(name) || TYPES.has(name)) return
  if (names.has(name)) walked.key(name as Variable, key)
  else walked.fault(`unknown variable: ${name}; there is ${[...names].join(', ')}`)
}

const TYPES = new Set([
  'bool',
  'bytes',
  'double',
  'int',
  'list',
  'map',
  'null_type',
  'string',
  'type',
  'uint',
])

const message = (error: unknown) => (error instanceof Error ? error.message.split('\n')[0] : String(error))
