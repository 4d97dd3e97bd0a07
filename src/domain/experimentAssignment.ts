/**
 * Assignment by GrowthBook's hash, version 2, so that its SDKs put a unit where we put it. Pure: the same unit, seed and
 * weights give the same variant for ever.
 */
export interface AssignmentRule {
  /** The experiment's key. */
  readonly seed: string
  readonly variants: readonly { readonly key: string; readonly weight: number }[]
  /** Share of each variant's units that take part; 1 unless told. */
  readonly coverage?: number
  /** Experiments in one namespace with ranges apart never share a unit: [from, to) of 0 … 1. */
  readonly namespace?: { readonly key: string; readonly from: number; readonly to: number }
}

export interface Assigned {
  /** null: not in the experiment. */
  readonly variant: string | null
  readonly inExperiment: boolean
  /** Where the unit falls, in [0, 1) by ten-thousandths. */
  readonly hash: number
  readonly why?: 'outside_namespace' | 'not_targeted' | 'outside_coverage'
}

/** `targeted` says whether the unit meets the experiment's targeting; who evaluates the condition is the caller's. */
export function assignVariant(rule: AssignmentRule, unit: string, targeted = true): Assigned {
  const hash = unitHash(rule.seed, unit)
  const out = (why: NonNullable<Assigned['why']>): Assigned => ({
    variant: null,
    inExperiment: false,
    hash,
    why,
  })
  if (rule.namespace && !inNamespace(rule.namespace, unit)) return out('outside_namespace')
  if (!targeted) return out('not_targeted')
  const ranges = bucketRanges(rule.variants, rule.coverage)
  const at = ranges.findIndex(([from, to]) => hash >= from && hash < to)
  return at === -1 ? out('outside_coverage') : { variant: rule.variants[at]!.key, inExperiment: true, hash }
}

/** Each variant's [from, to) of the hash, by its share of the sum of weights; `coverage` cuts every range short. */
export function bucketRanges(
  variants: readonly { readonly weight: number }[],
  coverage = 1,
): readonly (readonly [number, number])[] {
  const total = variants.reduce((sum, { weight }) => sum + weight, 0)
  const part = Math.min(1, Math.max(0, coverage))
  let start = 0
  return variants.map(({ weight }) => {
    const share = total > 0 ? weight / total : 0
    const range = [start, start + part * share] as const
    start += share
    return range
  })
}

/** GrowthBook's unbiased hash: FNV-1a of seed and unit, hashed again, to four decimals. */
export const unitHash = (seed: string, unit: string): number =>
  (fnv1a(String(fnv1a(seed + unit))) % 10_000) / 10_000

/** Namespaces keep GrowthBook's first hash, to three decimals. */
const inNamespace = ({ key, from, to }: { key: string; from: number; to: number }, unit: string): boolean => {
  const place = (fnv1a(`${unit}__${key}`) % 1000) / 1000
  return place >= from && place < to
}

/** 32-bit FNV-1a over UTF-16 code units, as the SDKs compute it. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
