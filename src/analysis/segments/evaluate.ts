import type { UnitKind, View } from '../columns/columnarIndex.ts'
import { sharedUint8 } from '../columns/growable.ts'
import { codeFilters } from '../plan/coding.ts'
import { Faults } from '../plan/fault.ts'
import { rowCondition } from '../plan/rowConditions.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { type CompiledRule, compileRule, type SegmentRule } from './segmentRule.ts'

/** 1 for each unit that belongs to the segment at `asOf` (ms). The rule has been checked before it was saved. */
export function memberMask(
  rule: SegmentRule,
  source: AnalysisSource,
  unit: UnitKind,
  asOf: number,
  warn: (message: string) => void = () => {},
): Uint8Array {
  const faults = new Faults()
  const known = { index: source.index, steps: new Set(source.steps) }
  const compiled = compileRule(rule, known, faults)
  if (!compiled) throw new Error(`a saved segment has faults: ${JSON.stringify(faults.list)}`)
  return ruleMask(compiled, source, unit, asOf, warn)
}

/** As `memberMask`, of a rule compiled already. */
export function ruleMask(
  rule: CompiledRule,
  source: AnalysisSource,
  unit: UnitKind,
  asOf: number,
  warn: (message: string) => void = () => {},
): Uint8Array {
  const view = source.index.view(unit)
  const began = firstTimes(view)
  const mask = evaluate(rule, { source, view, asOf, began, warn })
  for (let u = 0; u < view.units; u++) if (!(began[u]! <= asOf)) mask[u] = 0
  return mask
}

interface Evaluation {
  readonly source: AnalysisSource
  readonly view: View
  readonly asOf: number
  /** The time of each unit's first event; NaN of numbers that are no unit. */
  readonly began: Float64Array
  readonly warn: (message: string) => void
}

function evaluate(rule: CompiledRule, evaluation: Evaluation): Uint8Array {
  if ('is' in rule) return attributeMask(rule, evaluation)
  if ('did' in rule) return didMask(rule, evaluation)
  if ('not' in rule) return evaluate(rule.not, evaluation).map((member) => 1 - member)
  const parts = 'all' in rule ? rule.all : rule.any
  const masks = parts.map((part) => evaluate(part, evaluation))
  const needed = 'all' in rule ? masks.length : 1
  const mask = sharedUint8(evaluation.view.units)
  for (let u = 0; u < mask.length; u++) {
    let met = 0
    for (const part of masks) met += part[u]!
    mask[u] = met >= needed ? 1 : 0
  }
  return mask
}

function attributeMask({ is }: Extract<CompiledRule, { is: unknown }>, evaluation: Evaluation): Uint8Array {
  const { source, view, asOf, warn } = evaluation
  const holds = rowCondition(is, source.index, asOf, warn, view.unitOf)
  const mask = sharedUint8(view.units)
  for (let u = 0; u < mask.length; u++) mask[u] = holds(0, u) ? 1 : 0
  return mask
}

function didMask(rule: Extract<CompiledRule, { did: unknown }>, evaluation: Evaluation): Uint8Array {
  const { source, view, asOf, began, warn } = evaluation
  const { runs, matches } = codeFilters([rule.did], source.index, view, asOf, warn)
  const mask = sharedUint8(view.units)
  for (const { unit, start, stale, time, code } of runs) {
    for (let slot = 0; slot < unit.length; slot++) {
      if (stale?.[slot]) continue
      const u = unit[slot]!
      const until = Math.min(asOf, began[u]! + rule.within)
      let times = 0
      for (let i = start[slot]!; i < start[slot + 1]! && times < rule.atLeast; i++) {
        if (time[i]! > until) break
        if (matches[code[i]!] === 1 && time[i]! >= rule.since) times += 1
      }
      if (times >= rule.atLeast) mask[u] = 1
    }
  }
  return mask
}

function firstTimes(view: View): Float64Array {
  const began = new Float64Array(view.units).fill(Number.NaN)
  for (const { unit, start, stale, time } of view.runs) {
    for (let slot = 0; slot < unit.length; slot++) {
      if (!stale?.[slot] && start[slot]! < start[slot + 1]!) began[unit[slot]!] = time[start[slot]!]!
    }
  }
  return began
}
