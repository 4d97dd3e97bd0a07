import type { Interval } from '../statistics/interval.ts'
import { normalTwoSided, twoSidedCritical } from '../statistics/normal.ts'
import type { Sample } from '../statistics/sample.ts'
import type { VariantSpec } from './spec.ts'

/** The first level is the baseline. */
export interface Factor {
  readonly key: string
  readonly levels: readonly string[]
}

/** The factors that the variants' levels span, in order of appearance; null when some variant names none or not all. */
export function factorsOf(variants: readonly VariantSpec[]): Factor[] | null {
  const names = Object.keys(variants[0]?.levels ?? {})
  const complete = variants.every(
    ({ levels = {} }) =>
      Object.keys(levels).length === names.length && names.every((name) => Object.hasOwn(levels, name)),
  )
  if (names.length === 0 || !complete) return null
  return names.map((key) => ({ key, levels: [...new Set(variants.map(({ levels }) => levels![key]!))] }))
}

/** A main effect has one part, an interaction of two factors two. */
export interface FactorialEffect {
  readonly of: readonly { readonly factor: string; readonly level: string; readonly baseline: string }[]
  readonly absolute: number
  readonly standardError: number
  readonly ci: Interval
  readonly p: number
}

/**
 * Main effects and interactions of a full factorial design, by contrasts over the cells' means (Montgomery, ch. 5). A
 * main effect is the change from the baseline level averaged evenly over all settings of the other factors; an
 * interaction is how much one factor's change changes with the other. `samples` run beside `variants`.
 */
export function factorialEffects(
  factors: readonly Factor[],
  variants: readonly VariantSpec[],
  samples: readonly Sample[],
  { alpha = 0.05, order = 2 }: { alpha?: number; order?: number } = {},
): FactorialEffect[] | { readonly missing: Readonly<Record<string, string>>[] } {
  const cells = settings(factors)
  const sampleOf = (cell: Readonly<Record<string, string>>): Sample | undefined =>
    samples[variants.findIndex(({ levels }) => factors.every(({ key }) => levels?.[key] === cell[key]))]
  const missing = cells.filter((cell) => !sampleOf(cell))
  if (missing.length > 0) return { missing }
  const critical = twoSidedCritical(alpha)
  return contrasts(factors, order).map((of) => {
    const others = factors.filter(({ key }) => !of.some(({ factor }) => factor === key))
    const share = 1 / others.reduce((product, { levels }) => product * levels.length, 1)
    let absolute = 0
    let variance = 0
    for (const cell of cells) {
      const weight = share * of.reduce((sign, part) => sign * side(cell[part.factor]!, part), 1)
      const { n, mean, variance: unit } = sampleOf(cell)!
      if (weight === 0) continue
      absolute += weight * mean
      variance += (weight * weight * unit) / n
    }
    const standardError = Math.sqrt(variance)
    const reach = critical * standardError
    return {
      of,
      absolute,
      standardError,
      ci: [absolute - reach, absolute + reach] as const,
      p: normalTwoSided(absolute / standardError),
    }
  })
}

const side = (level: string, part: { level: string; baseline: string }): number =>
  level === part.level ? 1 : level === part.baseline ? -1 : 0

function settings(factors: readonly Factor[]): Record<string, string>[] {
  let cells: Record<string, string>[] = [{}]
  for (const { key, levels } of factors)
    cells = cells.flatMap((cell) => levels.map((level) => ({ ...cell, [key]: level })))
  return cells
}

/** Every set of up to `order` factors, with every level of each against its baseline; main effects first. */
function contrasts(factors: readonly Factor[], order: number): FactorialEffect['of'][] {
  let sets: { of: FactorialEffect['of']; next: number }[] = [{ of: [], next: 0 }]
  const all: FactorialEffect['of'][] = []
  for (let size = 1; size <= order; size++) {
    sets = sets.flatMap(({ of, next }) =>
      factors.slice(next).flatMap(({ key, levels }, skipped) =>
        levels.slice(1).map((level) => ({
          of: [...of, { factor: key, level, baseline: levels[0]! }],
          next: next + skipped + 1,
        })),
      ),
    )
    all.push(...sets.map(({ of }) => of))
  }
  return all
}
