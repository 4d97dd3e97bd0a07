import {
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celMethod,
  isCelList,
  isCelMap,
  listType,
  mapType,
} from '@bufbuild/cel'
import { joinedList } from './celValues.ts'
import { compilePattern, type Pattern } from './pattern.ts'

/** What one evaluation may cost; a unit is about a function call or 64 characters. Some tens of milliseconds at the very worst. */
const BUDGET = 100_000
/** The longest text or list that adding makes. */
const LARGEST = 1_000_000
/** What looks into every element of what it is given. */
const DEEP = new Set(['_==_', '_!=_', '@in'])

let left = 0

/** Runs one evaluation with a fresh budget. Evaluations are synchronous and never nested, so one counter serves all. */
export function withinBudget<T>(evaluate: () => T): T {
  left = BUDGET
  return evaluate()
}

function spend(units: number): void {
  left -= units
  if (left < 0) throw new Error('takes too much work on this data')
}

const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar
const LIST = listType(DYN)
const MAP = mapType(DYN, DYN)

/** Called round the range of every loop (see cel.ts), so that loops are paid for before they run. */
export const BOUNDED = '@bounded'

const bounded = [
  celFunc(BOUNDED, [LIST], LIST, (range) => {
    spend(1 + range.size)
    return range
  }),
  celFunc(BOUNDED, [MAP], MAP, (range) => {
    spend(1 + range.size)
    return range
  }),
]

/** JSON has one kind of number, which CEL sees as double; without these `answers.team.size + 1` would fail. */
const mixedArithmetic = (
  [
    ['_+_', (a, b) => a + b],
    ['_-_', (a, b) => a - b],
    ['_*_', (a, b) => a * b],
    ['_/_', (a, b) => a / b],
  ] satisfies [string, (a: number, b: number) => number][]
).flatMap(([name, compute]) => [
  celFunc(name, [DOUBLE, INT], DOUBLE, (a, b) => compute(a, Number(b))),
  celFunc(name, [INT, DOUBLE], DOUBLE, (a, b) => compute(Number(a), b)),
])

const joined = celFunc('_+_', [LIST, LIST], LIST, (a, b) => joinedList(a, b))

const patterns = new Map<string, Pattern>()

const matches = celMethod('matches', STRING, [STRING], BOOL, function (source) {
  const pattern = patterns.get(source) ?? compilePattern(source)
  if (typeof pattern === 'string') throw new Error(pattern)
  if (patterns.size >= 500) patterns.clear()
  patterns.set(source, pattern)
  spend((pattern.size * (this.length + 100)) / 1000)
  return pattern.test(this)
})

const library = celEnv({ funcs: [...mixedArithmetic, joined, matches, ...bounded] })

/** The functions there are, by name, each with the kinds it takes and gives. */
export const functions = library.funcs

type Group = NonNullable<ReturnType<typeof functions.find>>

/** Functions of a name, paid for by the size of what they are given. */
function paid(group: Group): Pick<Group, 'call'> {
  const { name } = group
  const quick = QUICK.get(name)
  return {
    call(id, target, args) {
      const [left, right] = args
      if (quick !== undefined && isPlain(left, right)) {
        spend(1)
        return quick(left, right as typeof left)
      }
      spend(cost(name, target === undefined ? args : [target, ...args]))
      return group.call(id, target, args)
    },
  }
}

/** Comparing numbers or texts, by far the most frequent calls, without a search for the overload. */
const QUICK = new Map<string, (left: number | string, right: number | string) => boolean>([
  // biome-ignore lint/suspicious/noDoubleEquals: 5 and 5n are equal in CEL.
  ['_==_', (left, right) => left == right],
  // biome-ignore lint/suspicious/noDoubleEquals: 5 and 5n are equal in CEL.
  ['_!=_', (left, right) => left != right],
  ['_<_', (left, right) => left < right],
  ['_<=_', (left, right) => left <= right],
  ['_>_', (left, right) => left > right],
  ['_>=_', (left, right) => left >= right],
])

/** Two numbers, of whatever kind, or two short texts. */
function isPlain(left: unknown, right: unknown): left is number | string {
  if (typeof left === 'string') return typeof right === 'string' && left.length + right.length < 256
  const number = (value: unknown) => typeof value === 'number' || typeof value === 'bigint'
  return number(left) && number(right)
}

function cost(name: string, values: readonly CelValue[]): number {
  let units = name.startsWith('get') ? 50 : 1
  let size = 0
  for (const value of values) {
    if (typeof value === 'string' || value instanceof Uint8Array) size += value.length
    else if (DEEP.has(name)) units += nodes(value)
    else if (name === '_+_' && isCelList(value)) size += value.size
  }
  if (name === '_+_' && size > LARGEST) throw new Error('makes too long a text or list')
  return units + size / 64
}

/** Values inside a value, counted no further than the budget reaches: a list may hold itself a million times over. */
function nodes(value: CelValue): number {
  let count = 0
  const waiting = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()!
    count += typeof next === 'string' ? 1 + next.length / 64 : 1
    if (count > left) return count
    if (isCelList(next)) {
      if (next.size > left) return Number.POSITIVE_INFINITY
      for (const item of next) waiting.push(item)
    } else if (isCelMap(next)) {
      for (const [, member] of next) waiting.push(member)
    }
  }
  return count
}

const groups = new Map<string, Pick<Group, 'call'>>()
for (const { name } of functions) {
  if (!groups.has(name)) groups.set(name, paid(functions.find(name)!))
}

/** The library's environment with each function paid for. */
export const environment: typeof library = Object.create(library, {
  funcs: { value: { find: (name: string) => groups.get(name) } },
})
