import { sequentialCritical, sequentialTest } from '../../analysis/statistics/confidenceSequence.ts'
import { effect } from '../../analysis/statistics/effect.ts'
import {
  classicalBounds,
  obrienFlemingSpending,
  pocockSpending,
  powerSpending,
  type Spending,
  spendingBounds,
} from '../../analysis/statistics/groupSequential.ts'
import { mixtureSprt } from '../../analysis/statistics/msprt.ts'
import type { Adapter, Adapters } from './adapter.ts'
import { armsOf, sampleFrom } from './inputs.ts'

const confidenceSequence: Adapter = (inputs) => {
  const { control, treatment } = armsOf(inputs)
  const scale = inputs.relative ? 'relative' : 'absolute'
  const found = effect(sampleFrom(control), sampleFrom(treatment), scale)
  const options = { alpha: inputs.alpha ?? 0.05, tuning: inputs.tuning ?? 5000 }
  const side = inputs.side === 'greater' || inputs.side === 'less' ? inputs.side : 'two'
  const { p, ci } = sequentialTest(found, { ...options, side })
  return {
    expected: found.estimate,
    stderr: found.standardError,
    pValue: p,
    ci,
    ciLower: ci[0],
    ciUpper: ci[1],
    lowerOnly: sequentialTest(found, { ...options, side: 'greater' }).ci[0],
    upperOnly: sequentialTest(found, { ...options, side: 'less' }).ci[1],
  }
}

const normalMixture: Adapter = (inputs) => ({
  B: sequentialCritical(inputs.total_n, { alpha: 1 - inputs.confidence, tuning: inputs.N_tune }),
})

const msprt: Adapter = (inputs) => {
  const { tau, critical } = mixtureSprt(inputs.var_t / inputs.n_t + inputs.var_c / inputs.n_c, inputs.alpha)
  return { tau, zStar: critical }
}

const groupSequential: Adapter = (inputs, { id }) => {
  const named = `${id} ${inputs.spending ?? ''} ${inputs.type ?? ''}`.toLowerCase()
  const bounds = inputs.information
    ? spendingBounds(inputs.information, inputs.alpha, spendingNamed(named, inputs))
    : classicalBounds(inputs.K, inputs.alpha, inputs.shape ?? (/obf|brien|fleming/.test(named) ? 0 : 0.5))
  return { bounds, constant: bounds.at(-1), C: bounds.at(-1) }
}

function spendingNamed(named: string, inputs: { power?: number }): Spending {
  if (inputs.power !== undefined) return powerSpending(inputs.power)
  return /pocock|ln\(1|log\(1/.test(named) ? pocockSpending : obrienFlemingSpending
}

export const sequentialAdapters: Adapters = {
  sequential_asymptotic_cs: confidenceSequence,
  sequential_normal_mixture: normalMixture,
  sequential_msprt: msprt,
  group_sequential: groupSequential,
}
