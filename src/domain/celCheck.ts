import type { parse } from '@bufbuild/cel'
import { BOUNDED, functions } from './celEnvironment.ts'
import {
  an,
  comparable,
  constantKind,
  fits,
  type Kind,
  kindOfType,
  NUMBERS,
  plain,
  TYPES,
} from './celKinds.ts'
import { compilePattern } from './pattern.ts'

export type Expression = NonNullable<ReturnType<typeof parse>['expr']>

/** What an expression may name, and what is known of it. A map may say what kinds its members are. */
export interface Variable {
  readonly kind: Kind
  readonly members?: Readonly<Record<string, Kind>>
}

export interface Checked {
  readonly kind: Kind
  readonly faults: readonly string[]
  /** `variable.member` and `variable["member"]` wherever a variable is read so, each once. */
  readonly reads: readonly { readonly variable: string; readonly member: string }[]
}

/** Loops in loops: one in another, and no deeper, since each level multiplies the work. */
const MAX_LOOPS = 2

/**
 * Type-checks an expression, which the library does not (its checker knows constants and names only), and puts a bound round every
 * loop. Faults are plain sentences; all are found at once.
 */
export function checkExpression(
  expression: Expression,
  variables: Readonly<Record<string, Variable>>,
): Checked {
  const faults = new Set<string>()
  const reads = new Map<string, { variable: string; member: string }>()
  const kind = kindOf(expression, new Map(), 0)
  return { kind, faults: [...faults], reads: [...reads.values()] }

  function fault(detail: string): Kind {
    faults.add(detail)
    return 'dyn'
  }

  function kindOf(node: Expression | undefined, scope: ReadonlyMap<string, Kind>, loops: number): Kind {
    const inner = (child: Expression | undefined) => kindOf(child, scope, loops)
    const expr = node?.exprKind
    switch (expr?.case) {
      case 'constExpr':
        return constantKind(expr.value.constantKind.case)
      case 'identExpr':
        return identifier(expr.value.name, scope)
      case 'selectExpr': {
        const { operand, field, testOnly } = expr.value
        const kind = member(operand, field, scope, inner)
        return testOnly ? 'bool' : kind
      }
      case 'listExpr':
        for (const element of expr.value.elements) inner(element)
        return 'list'
      case 'structExpr':
        if (expr.value.messageName !== '') return fault(`no type ${expr.value.messageName}`)
        for (const entry of expr.value.entries) {
          if (entry.keyKind.case === 'mapKey') inner(entry.keyKind.value)
          inner(entry.value)
        }
        return 'map'
      case 'callExpr': {
        const { function: name, target, args } = expr.value
        if (name === '_[_]') return index(args[0], args[1], scope, inner)
        return call(name, target, args, inner)
      }
      case 'comprehensionExpr': {
        const loop = expr.value
        if (loops >= MAX_LOOPS) return fault('loops are nested deeper than one in another')
        const range = inner(loop.iterRange)
        if (range !== 'list' && range !== 'map' && range !== 'dyn')
          fault(`${an(range)} cannot be looped over`)
        loop.iterRange = boundedRange(loop.iterRange!)
        const within = new Map(scope)
        within.set(loop.accuVar, inner(loop.accuInit))
        within.set(loop.iterVar, 'dyn')
        kindOf(loop.loopCondition, within, loops + 1)
        kindOf(loop.loopStep, within, loops + 1)
        return kindOf(loop.result, within, loops)
      }
      default:
        return fault('nothing to evaluate')
    }
  }

  function identifier(name: string, scope: ReadonlyMap<string, Kind>): Kind {
    const local = scope.get(name)
    if (local !== undefined) return local
    const variable = variableNamed(name)
    if (variable !== undefined) return variable.kind
    return TYPES.has(name) ? 'type' : fault(`unknown variable ${name}`)
  }

  function variableNamed(name: string): Variable | undefined {
    return Object.hasOwn(variables, name) ? variables[name] : undefined
  }

  function member(
    operand: Expression | undefined,
    name: string,
    scope: ReadonlyMap<string, Kind>,
    inner: (child: Expression | undefined) => Kind,
  ): Kind {
    const kind = inner(operand)
    if (kind !== 'map' && kind !== 'dyn') return fault(`${an(kind)} has no member ${name}`)
    if (operand?.exprKind.case !== 'identExpr' || scope.has(operand.exprKind.value.name)) return 'dyn'
    const variable = operand.exprKind.value.name
    reads.set(`${variable}.${name}`, { variable, member: name })
    const members = variableNamed(variable)?.members
    return members !== undefined && Object.hasOwn(members, name) ? members[name]! : 'dyn'
  }

  function index(
    operand: Expression | undefined,
    key: Expression | undefined,
    scope: ReadonlyMap<string, Kind>,
    inner: (child: Expression | undefined) => Kind,
  ): Kind {
    const constant = key?.exprKind.case === 'constExpr' ? key.exprKind.value.constantKind : undefined
    const kind = inner(operand)
    const keyKind = inner(key)
    if (kind === 'list') {
      return NUMBERS.has(keyKind) || keyKind === 'dyn'
        ? 'dyn'
        : fault(`a list is not indexed by ${an(keyKind)}`)
    }
    if (kind !== 'map' && kind !== 'dyn') return fault(`${an(kind)} has no elements`)
    return constant?.case === 'stringValue' ? member(operand, constant.value, scope, inner) : 'dyn'
  }

  function call(
    name: string,
    target: Expression | undefined,
    args: readonly Expression[],
    inner: (child: Expression | undefined) => Kind,
  ): Kind {
    const self = target === undefined ? undefined : inner(target)
    const given = args.map(inner)
    switch (name) {
      case '_&&_':
      case '_||_':
      case '@not_strictly_false': {
        const wrong = given.find((kind) => kind !== 'bool' && kind !== 'dyn')
        return wrong === undefined ? 'bool' : fault(`${an(wrong)} stands where a boolean is needed`)
      }
      case '_?_:_':
        if (given[0] !== 'bool' && given[0] !== 'dyn')
          fault(`${an(given[0]!)} stands where a boolean is needed`)
        return branches(given[1]!, given[2]!)
      case '_==_':
      case '_!=_': {
        const [a, b] = given as [Kind, Kind]
        return comparable(a, b) ? 'bool' : fault(`${an(a)} is never equal to ${an(b)}`)
      }
      case 'matches':
        checkPattern(args[0])
    }
    return overload(name, self, given)
  }

  function branches(a: Kind, b: Kind): Kind {
    if (a === b) return a
    return comparable(a, b) ? 'dyn' : fault(`one branch is ${an(a)}, the other ${an(b)}`)
  }

  function overload(name: string, self: Kind | undefined, given: readonly Kind[]): Kind {
    const group = functions.find(name)
    if (group === undefined) return fault(`unknown function ${plain(name)}`)
    const results = new Set<Kind>()
    for (const func of group) {
      const target = func.target === undefined ? undefined : kindOfType(func.target)
      if ((target === undefined) !== (self === undefined)) continue
      if (func.arguments.length !== given.length) continue
      if (self !== undefined && !fits(self, target!)) continue
      if (given.every((kind, place) => fits(kind, kindOfType(func.arguments[place]!)))) {
        results.add(kindOfType(func.result))
      }
    }
    if (results.size === 0) {
      const kinds = [...(self === undefined ? [] : [self]), ...given].join(', ')
      return fault(`${plain(name)} does not take (${kinds})`)
    }
    return results.size === 1 ? [...results][0]! : 'dyn'
  }

  function checkPattern(argument: Expression | undefined): void {
    if (argument?.exprKind.case !== 'constExpr') return
    const { constantKind } = argument.exprKind.value
    if (constantKind.case !== 'stringValue') return
    const pattern = compilePattern(constantKind.value)
    if (typeof pattern === 'string') fault(pattern)
  }
}

function boundedRange(range: Expression): Expression {
  return {
    ...range,
    exprKind: {
      case: 'callExpr',
      value: { $typeName: 'cel.expr.Expr.Call', function: BOUNDED, args: [range] },
    },
  } as Expression
}
