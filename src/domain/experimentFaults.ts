import type { InputFault } from './decider.ts'
import type { ExperimentDefinition } from './experimentDefinition.ts'

/** What the shape of a definition cannot say: every fault at once, with pointers into the body of `POST /experiments`. */
export function experimentFaults(definition: ExperimentDefinition): InputFault[] {
  return [
    ...repeated(definition.variants, '/variants', 'variant'),
    ...repeated(definition.metrics, '/metrics', 'metric'),
    ...weightFaults(definition),
    ...metricFaults(definition),
    ...factorFaults(definition),
    ...overrideFaults(definition),
    ...namespaceFaults(definition),
  ]
}

function repeated(items: readonly { readonly key: string }[], pointer: string, what: string): InputFault[] {
  const seen = new Set<string>()
  return items.flatMap(({ key }, index) => {
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    return [
      { pointer: `${pointer}/${index}/key`, detail: `the ${what} ${JSON.stringify(key)} is listed twice` },
    ]
  })
}

function weightFaults({ variants }: ExperimentDefinition): InputFault[] {
  if (variants.filter(({ weight }) => weight > 0).length >= 2) return []
  return [{ pointer: '/variants', detail: 'at least two variants need a weight above 0' }]
}

function metricFaults({ metrics }: ExperimentDefinition): InputFault[] {
  return metrics.flatMap((metric, index): InputFault[] => {
    const at = `/metrics/${index}`
    const own: InputFault[] = []
    if (metric.type === 'ratio' && !metric.denominator)
      own.push({ pointer: `${at}/denominator`, detail: 'a ratio needs a denominator' })
    if (metric.type !== 'ratio' && metric.denominator)
      own.push({ pointer: `${at}/denominator`, detail: `a ${metric.type} has no denominator` })
    if (metric.role !== 'guardrail' && metric.margin !== undefined)
      own.push({ pointer: `${at}/margin`, detail: 'only a guardrail has a margin' })
    if (metric.type === 'conversion' && metric.winsorise !== undefined)
      own.push({ pointer: `${at}/winsorise`, detail: 'a conversion is 0 or 1 and has nothing to cap' })
    return own
  })
}

/** A design of several factors has one level of each factor in every variant, and each combination once. */
function factorFaults({ variants }: ExperimentDefinition): InputFault[] {
  if (!variants.some(({ levels }) => levels)) return []
  const factors = Object.keys(variants.find(({ levels }) => levels)!.levels!).sort()
  const seen = new Set<string>()
  return variants.flatMap(({ levels }, index): InputFault[] => {
    const pointer = `/variants/${index}/levels`
    if (!levels || Object.keys(levels).sort().join('\n') !== factors.join('\n'))
      return [{ pointer, detail: `must give a level of each factor: ${factors.join(', ')}` }]
    const combination = JSON.stringify(factors.map((factor) => levels[factor]))
    if (seen.has(combination))
      return [{ pointer, detail: 'another variant has the same combination of levels' }]
    seen.add(combination)
    return []
  })
}

function overrideFaults({ variants, flowId }: ExperimentDefinition): InputFault[] {
  if (flowId !== undefined) return []
  return variants.flatMap(({ overrides }, index) =>
    overrides
      ? [
          {
            pointer: `/variants/${index}/overrides`,
            detail: 'overrides need a flowId: they change its steps',
          },
        ]
      : [],
  )
}

function namespaceFaults({ namespace }: ExperimentDefinition): InputFault[] {
  if (!namespace || namespace.from < namespace.to) return []
  return [{ pointer: '/namespace/to', detail: 'must be above from' }]
}
