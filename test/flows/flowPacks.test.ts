import { describe, expect, test } from 'vitest'
import { isRefusal } from '../../src/domain/decider.ts'
import { type CompiledFlow, type CompiledStep, compileFlow } from '../../src/domain/flow.ts'
import { sessionDecider } from '../../src/domain/session.ts'
import type { SessionCommand } from '../../src/domain/sessionCommands.ts'
import type { SessionState } from '../../src/domain/sessionState.ts'
import { survey } from '../../src/domain/sessionSurvey.ts'
import { progressView, sessionView } from '../../src/domain/sessionView.ts'
import { validateAnswer } from '../../src/domain/validateAnswer.ts'
import { loadFlowPacks } from '../../src/services/flowPacks.ts'
import { at, type Bare, fold, T0 } from '../domain/support/session.ts'

const packs = (await loadFlowPacks()).map(({ tenant, definition }) => {
  const compiled = compileFlow(definition, 1)
  return { tenant, definition, compiled }
})

test('there are five, called as their tenants', () => {
  expect(packs.map(({ tenant }) => tenant)).toEqual([
    'coachpro',
    'fluxasync',
    'glavito',
    'jobprep',
    'weneeds',
  ])
  expect(packs.map(({ definition }) => definition.id)).toEqual(packs.map(({ tenant }) => tenant))
})

test('Glavito has its eleven steps, all of them in sight from the start', () => {
  const { definition, compiled } = packs.find(({ tenant }) => tenant === 'glavito')!
  const steps = [
    'welcome',
    'organization_setup',
    'channel_configuration',
    'ai_configuration',
    'knowledge_base',
    'payment_setup',
    'team_management',
    'workflow_configuration',
    'customer_portal',
    'data_import',
    'analytics_setup',
  ]
  expect(definition.steps.map(({ id }) => id)).toEqual(steps)
  const { flow } = compiled as { flow: CompiledFlow }
  expect(progressView(run(flow, sessionDecider.initial, start), flow).remainingSteps).toEqual(steps)
})

test.each(['jobprep', 'coachpro'])('%s speaks French and English', (tenant) => {
  const { definition } = packs.find((pack) => pack.tenant === tenant)!
  for (const { title } of [definition, ...definition.steps]) expect(Object.keys(title)).toEqual(['fr', 'en'])
})

const start: Bare = { type: 'StartSession', userId: 'ana', context: {} }

/** What a command makes of a session; a refusal fails the test. */
function run(flow: CompiledFlow, session: SessionState, command: Bare): SessionState {
  const decision = sessionDecider.decide({ flow, at: T0, ...command } as SessionCommand, session)
  if (isRefusal(decision)) expect.fail(`${JSON.stringify(command)}: ${JSON.stringify(decision)}`)
  return fold(
    decision.map((event) => at(T0, event)),
    session,
  )
}

const examplesOf = (step: CompiledStep) =>
  (step.definition.schema as { examples?: readonly unknown[] } | undefined)?.examples ?? [{}]

/** Every way through a flow: all examples of the answers that branches read, the first of the others; with and without what may be skipped. */
function* ways(flow: CompiledFlow, skipping: boolean): IterableIterator<SessionState> {
  const read = new Set(flow.steps.flatMap(({ visibleWhen }) => visibleWhen?.reads ?? []))
  function* onward(session: SessionState): IterableIterator<SessionState> {
    const { currentStep } = progressView(session, flow)
    if (currentStep === null) return yield session
    const step = flow.stepById.get(currentStep)!
    if (skipping && step.skippable)
      return yield* onward(run(flow, session, { type: 'SkipStep', stepId: step.id }))
    const examples = examplesOf(step)
    for (const data of read.has(step.id) ? examples : examples.slice(0, 1)) {
      yield* onward(run(flow, session, { type: 'SubmitStep', stepId: step.id, data }))
    }
  }
  yield* onward(run(flow, sessionDecider.initial, start))
}

describe.each(packs)('$tenant', ({ compiled }) => {
  const { flow } = compiled as { flow: CompiledFlow }

  test('is published without faults', () => expect(compiled).not.toHaveProperty('faults'))

  test('has estimates, and examples that its schemas take', () => {
    for (const step of flow.steps) {
      expect([step.id, step.definition.estimatedMinutes]).not.toContain(undefined)
      expect([step.id, examplesOf(step).length > 0]).toEqual([step.id, true])
      for (const data of examplesOf(step))
        expect([step.id, validateAnswer(step, data)]).toEqual([step.id, []])
    }
  })

  test('takes no other members and no wrong kind of data', () => {
    for (const step of flow.steps) {
      expect([step.id, validateAnswer(step, { notAsked: 1 }).length > 0]).toEqual([step.id, true])
      expect([step.id, validateAnswer(step, 'text').length > 0]).toEqual([step.id, true])
    }
  })

  test.each([false, true])('can be walked to the end along every branch (skipping: %s)', (skipping) => {
    let walked = 0
    for (const session of ways(flow, skipping)) {
      walked += 1
      const completed = run(flow, session, { type: 'CompleteSession' })
      const view = sessionView('s', 't', completed, flow, 0)
      expect(view).toMatchObject({ status: 'completed', progress: 100, milestones: flow.milestones })
      expect(view).not.toHaveProperty('conditionErrors')
      if (!skipping) expect(survey(session, flow).progress).toBe(100)
    }
    expect(walked).toBeGreaterThan(1)
  })

  test('has no step and no branch that nobody ever takes', () => {
    const shown = new Set<string>()
    const hidden = new Set<string>()
    for (const session of ways(flow, false)) {
      for (const { step, visible } of survey(session, flow).steps) (visible ? shown : hidden).add(step.id)
    }
    expect([...shown].sort()).toEqual(flow.steps.map(({ id }) => id).sort())
    const branches = flow.steps.filter(({ visibleWhen }) => visibleWhen !== undefined).map(({ id }) => id)
    expect([...hidden].sort()).toEqual(branches.sort())
    expect(branches.length).toBeGreaterThan(1)
  })
})
