import { describe, expect, test } from 'vitest'
import { type AssignVariant, assignmentDecider } from '../../src/domain/assignment.ts'
import { isRefusal } from '../../src/domain/decider.ts'
import { type ExperimentCommand, experimentDecider } from '../../src/domain/experiment.ts'
import type { ExperimentDefinition } from '../../src/domain/experimentDefinition.ts'
import type { AssignmentEvent, ExperimentEvent } from '../../src/domain/experimentEvents.ts'

const definition: ExperimentDefinition = {
  key: 'gate',
  unit: 'user',
  variants: [
    { key: 'a', weight: 3 },
    { key: 'b', weight: 1 },
  ],
  metrics: [
    { key: 'done', type: 'conversion', filter: { step: 'c' }, direction: 'increase', role: 'primary' },
  ],
}
const bandit: ExperimentDefinition = { ...definition, mode: 'bandit' }
const defined = (of = definition): ExperimentEvent => ({
  type: 'ExperimentDefined',
  data: { definition: of },
})
const started: ExperimentEvent = { type: 'ExperimentStarted', data: { experiment: 'gate' } }
const reweighted: ExperimentEvent = {
  type: 'ExperimentReweighted',
  data: { experiment: 'gate', weights: [0.2, 0.8] },
}
const stopped: ExperimentEvent = {
  type: 'ExperimentStopped',
  data: { experiment: 'gate', results: { exposed: 7 } },
}

function experiment(...events: ExperimentEvent[]) {
  const state = events.reduce(experimentDecider.evolve, experimentDecider.initial)
  return {
    state,
    when(command: ExperimentCommand) {
      const decision = experimentDecider.decide(command, state)
      return isRefusal(decision) ? decision.refused : decision
    },
  }
}

const define = (of = definition): ExperimentCommand => ({ type: 'DefineExperiment', definition: of })
const start: ExperimentCommand = { type: 'StartExperiment' }
const stop: ExperimentCommand = { type: 'StopExperiment', reason: 'enough', results: { exposed: 7 } }
const reweight: ExperimentCommand = { type: 'ReweightExperiment', weights: [0.2, 0.8] }

describe('an experiment', () => {
  test('is drafted, and redrafted until it runs', () => {
    expect(experiment().when(define())).toEqual([defined()])
    expect(experiment(defined()).when(define(bandit))).toEqual([defined(bandit)])
  })

  test('is not changed while it runs or after it ended', () => {
    expect(experiment(defined(), started).when(define())).toBe('experiment_running')
    expect(experiment(defined(), started, stopped).when(define())).toBe('experiment_stopped')
  })

  test('is refused with every fault, its own and those others found', () => {
    const bad = { ...definition, variants: [{ key: 'a', weight: 0 }] } as ExperimentDefinition
    const decision = experimentDecider.decide(
      { type: 'DefineExperiment', definition: bad, faults: [{ pointer: '/targeting', detail: 'x' }] },
      experimentDecider.initial,
    )
    expect(decision).toMatchObject({
      status: 422,
      errors: [{ pointer: '/variants' }, { pointer: '/targeting' }],
    })
  })

  test('starts once, and not again after its end', () => {
    expect(experiment().when(start)).toBe('not_found')
    expect(experiment(defined()).when(start)).toEqual([started])
    expect(experiment(defined(), started).when(start)).toEqual([])
    expect(experiment(defined(), started, stopped).when(start)).toBe('experiment_stopped')
  })

  test('stops once, with its results', () => {
    expect(experiment().when(stop)).toBe('not_found')
    expect(experiment(defined()).when(stop)).toBe('experiment_not_running')
    expect(experiment(defined(), started).when(stop)).toEqual([
      { type: 'ExperimentStopped', data: { experiment: 'gate', reason: 'enough', results: { exposed: 7 } } },
    ])
    expect(experiment(defined(), started, stopped).when(stop)).toEqual([])
    expect(experiment(defined(), started, stopped).state).toMatchObject({
      status: 'stopped',
      results: { exposed: 7 },
    })
  })

  test('changes its weights where it is a bandit that runs', () => {
    expect(experiment(defined(bandit), started).when(reweight)).toEqual([reweighted])
    expect(experiment(defined(bandit), started, reweighted).when(reweight)).toEqual([])
    expect(experiment(defined(bandit)).when(reweight)).toEqual([])
    expect(experiment(defined(), started).when(reweight)).toEqual([])
  })

  test('assigns by shares of the sum of weights, then by what a bandit made of them', () => {
    expect(experiment(defined(bandit)).state.weights).toEqual([0.75, 0.25])
    expect(experiment(defined(bandit), started, reweighted).state.weights).toEqual([0.2, 0.8])
  })
})

describe('an assignment', () => {
  const assigned = (variant: string | null): AssignmentEvent => ({
    type: 'VariantAssigned',
    data: { experiment: 'gate', unit: 'user', unitId: 'u', variant, hash: 0.5, weights: [0.75, 0.25] },
  })
  const unit = (...events: AssignmentEvent[]) => ({
    when(command: AssignVariant) {
      const state = events.reduce(assignmentDecider.evolve, assignmentDecider.initial)
      const decision = assignmentDecider.decide(command, state)
      if (isRefusal(decision)) return decision.refused
      return decision.map(({ data }) => data.variant)
    },
  })
  const assign = (more: object = {}, targeted = true): AssignVariant => ({
    type: 'AssignVariant',
    experiment: { status: 'running', weights: [1, 0], definition, ...more },
    unitId: 'u',
    targeted,
  })

  test('is by the weights as they are, and stays whatever becomes of them', () => {
    expect(unit().when(assign())).toEqual(['a'])
    expect(unit().when(assign({ weights: [0, 1] }))).toEqual(['b'])
    expect(unit(assigned('a')).when(assign({ weights: [0, 1] }))).toEqual([])
    expect(unit(assigned('a')).when(assign({}, false))).toEqual([])
    expect(unit(assigned('a')).when(assign({ status: 'stopped' }))).toEqual([])
  })

  test('says once that a unit is outside, and takes it in when it has come to fit', () => {
    expect(unit().when(assign({}, false))).toEqual([null])
    expect(unit(assigned(null)).when(assign({}, false))).toEqual([])
    expect(unit(assigned(null)).when(assign())).toEqual(['a'])
  })

  test('is not made before the start or after the end', () => {
    expect(unit().when(assign({ status: 'draft' }))).toBe('experiment_not_running')
    expect(unit().when(assign({ status: 'stopped' }))).toBe('experiment_stopped')
    expect(unit(assigned(null)).when(assign({ status: 'stopped' }))).toEqual([])
  })
})
