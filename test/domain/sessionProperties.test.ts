import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { describe, expect, test } from 'vitest'
import { isRefusal } from '../../src/domain/decider.ts'
import type { CompiledFlow } from '../../src/domain/flow.ts'
import { sessionDecider } from '../../src/domain/session.ts'
import type { SessionCommand } from '../../src/domain/sessionCommands.ts'
import { type SessionEvent, sessionEventSchemas } from '../../src/domain/sessionEvents.ts'
import type { FoldedEvent, SessionState } from '../../src/domain/sessionState.ts'
import { survey } from '../../src/domain/sessionSurvey.ts'
import { sessionView } from '../../src/domain/sessionView.ts'
import { at, type Bare, flowOf, fold, hoursLater } from './support/session.ts'

/** Random people at random flows: what must hold whatever they do. */

const RUNS = 400

const answer = {
  type: 'object',
  required: ['n'],
  additionalProperties: false,
  properties: { n: { type: 'integer', minimum: 0, maximum: 9 } },
}
const flows: readonly CompiledFlow[] = [
  flowOf([
    { id: 'a', schema: answer },
    { id: 'b', dependsOn: ['a'] },
    { id: 'c', required: false },
  ]),
  flowOf(
    [
      { id: 'c', dependsOn: ['b'], visibleWhen: 'answers.a.n > 4 || answers.b.n > 7' },
      { id: 'a', schema: answer, skippable: true },
      { id: 'b', schema: answer, visibleWhen: 'answers.a.n > 2' },
      { id: 'd', required: false, visibleWhen: 'has(answers.c) || context.plan == "pro"' },
      { id: 'e', dependsOn: ['c', 'd'], visibleWhen: 'answers.b.n / answers.a.n > 1' },
    ],
    { milestones: [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99, 100] },
  ),
  flowOf([
    { id: 'a', visibleWhen: 'context.plan == "pro"' },
    { id: 'b', visibleWhen: 'answers.a.n > answers.a.m' },
  ]),
]

const stepId = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'x', '__proto__')
const data = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 9 }).map((n) => ({ n })) },
  fc.record({ n: fc.integer(), m: fc.integer({ min: 0, max: 3 }) }, { requiredKeys: [] }),
  fc.jsonValue({ maxDepth: 2 }),
)
const attributes = fc.record({ plan: fc.constantFrom('pro', 'free', 3) }, { requiredKeys: [] })
const command: fc.Arbitrary<Bare> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ type: fc.constantFrom('SubmitStep' as const, 'SaveStep' as const), stepId, data }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom('StartStep' as const, 'SkipStep' as const, 'ReopenStep' as const),
      stepId,
    }),
  },
  fc.constantFrom<Bare>({ type: 'PauseSession' }, { type: 'ResumeSession' }, { type: 'ResumeSession' }),
  fc.constantFrom<Bare>({ type: 'CompleteSession' }),
  fc.constantFrom<Bare>(
    { type: 'AbandonSession', reason: 'inactivity' },
    { type: 'AbandonSession', reason: 'requested' },
  ),
  fc.record({ type: fc.constant('RecordAttributes' as const), attributes }),
  fc.record({
    type: fc.constant('RecordExposure' as const),
    experiment: fc.constantFrom('e', 'f'),
    variant: fc.constantFrom('v', 'w'),
  }),
  fc.record({ type: fc.constant('TrackSignal' as const), signal: fc.constantFrom('s', 't') }),
)
const story = fc.record({
  flow: fc.constantFrom(...flows),
  context: attributes,
  commands: fc.array(fc.record({ command, hours: fc.constantFrom(0, 0, 1, 30) }), { maxLength: 40 }),
})

interface Moment {
  readonly command: SessionCommand
  readonly before: SessionState
  readonly decision: ReturnType<typeof sessionDecider.decide>
  readonly events: readonly SessionEvent[]
  readonly after: SessionState
}

/** Plays a story through the decider and lets each moment be looked at; answers the whole history. */
function play(
  { flow, context, commands }: typeof story extends fc.Arbitrary<infer S> ? S : never,
  look: (moment: Moment) => void,
) {
  const history: FoldedEvent[] = []
  let state = sessionDecider.initial
  let hours = 0
  const begin: Bare = { type: 'StartSession', userId: 'ana', context }
  for (const { command, hours: passed } of [{ command: begin, hours: 0 }, ...commands]) {
    hours += passed
    const full = { flow, at: hoursLater(hours), ...command } as SessionCommand
    const before = state
    const decision = sessionDecider.decide(full, before)
    const events = isRefusal(decision) ? ('events' in decision ? decision.events : []) : decision
    const happened = events.map((event) => at(full.at, event))
    state = fold(happened, state)
    history.push(...happened)
    look({ command: full, before, decision, events, after: state })
  }
  return { history, state, flow }
}

const check = (property: (told: Parameters<typeof play>[0]) => void) =>
  fc.assert(fc.property(story, property), { numRuns: RUNS })

const schemas = Object.fromEntries(
  Object.entries(sessionEventSchemas).map(([type, { data }]) => [type, Compile(data)]),
)

describe('whatever people do', () => {
  test('what is decided fits the catalogue, and refusals record nothing but failed validations', () =>
    check((told) => {
      play(told, ({ decision, events }) => {
        for (const { type, data } of events) expect([type, schemas[type]!.Check(data)]).toEqual([type, true])
        if (isRefusal(decision) && events.length > 0) {
          expect([decision.refused, decision.status]).toEqual(['validation_failed', 422])
          expect(events.map(({ type }) => type)).toEqual(['StepValidationFailed'])
        }
      })
    }))

  test('progress is a whole number from 0 to 100, and 100 once completed', () =>
    check((told) => {
      play(told, ({ after }) => {
        const { progress } = survey(after, told.flow)
        expect(Number.isInteger(progress) && progress >= 0 && progress <= 100).toBe(true)
        if (after.status === 'completed') expect(progress).toBe(100)
      })
    }))

  test('a milestone is recorded with the progress that reaches it, once, and never taken back', () =>
    check((told) => {
      const { history } = play(told, ({ before, after, events }) => {
        expect(after.milestones.slice(0, before.milestones.length)).toEqual(before.milestones)
        if (events.length === 0) return
        const { progress } = survey(after, told.flow)
        const due = told.flow.milestones.filter((milestone) => milestone <= progress)
        expect(after.milestones).toEqual(expect.arrayContaining(due))
        for (const event of events) {
          if (event.type === 'MilestoneReached') expect(event.data.milestone).toBeLessThanOrEqual(progress)
        }
      })
      const reached = history.flatMap((event) =>
        event.type === 'MilestoneReached' ? [event.data.milestone] : [],
      )
      expect(reached).toEqual([...new Set(reached)])
    }))

  test('a replay of what was stored is the session as it was lived', () =>
    check((told) => {
      const { history, state, flow } = play(told, () => {})
      const stored = <T>(value: T): T => JSON.parse(JSON.stringify(value))
      const replayed = fold(stored(history))
      // As JSON, in which 0 and −0 are one.
      expect(sessionView('s', 't', replayed, flow, 1)).toEqual(stored(sessionView('s', 't', state, flow, 1)))
      expect([...replayed.steps.entries()]).toEqual(stored([...state.steps.entries()]))
    }))

  test('a repeat changes nothing, but a submission and a signal are recorded each time', () =>
    check((told) => {
      play(told, ({ command, decision, after }) => {
        const again = sessionDecider.decide(command, after)
        if (isRefusal(decision) || command.type === 'SubmitStep' || command.type === 'TrackSignal') return
        expect(again).toEqual([])
      })
    }))

  test('the view shows visible steps only, each in one place', () =>
    check((told) => {
      play(told, ({ after }) => {
        const view = sessionView('s', 't', after, told.flow, 0)
        const hidden = new Set(
          view.steps.filter(({ status }) => status === 'hidden').map((step) => step.stepId),
        )
        const met = [...view.completedSteps, ...view.skippedSteps]
        for (const id of [...met, ...Object.keys(view.stepData), ...Object.keys(view.drafts)]) {
          expect(hidden.has(id)).toBe(false)
        }
        expect(new Set(met).size).toBe(met.length)
        const visible = view.steps.length - hidden.size
        const expected = visible === 0 ? 0 : Math.floor((100 * met.length) / visible)
        expect(view.progress).toBe(view.status === 'completed' ? 100 : expected)
        if (view.currentStep !== null) expect([...met, ...hidden]).not.toContain(view.currentStep)
      })
    }))

  test('nothing is done at hidden steps, locked steps, or in sessions that rest or ended', () =>
    check((told) => {
      play(told, ({ command, before, decision, events }) => {
        if (!('stepId' in command) || events.length === 0) return
        const standing = survey(before, told.flow).byId.get(command.stepId)
        expect(before.status).toBe('active')
        expect(standing?.visible).toBe(true)
        if (command.type !== 'ReopenStep') expect(standing?.blockedBy).toEqual([])
        if (command.type === 'SkipStep') expect(standing?.step.skippable).toBe(true)
        expect(isRefusal(decision) && decision.refused !== 'validation_failed').toBe(false)
      })
    }))

  test('a session is completed with all its required visible steps met', () =>
    check((told) => {
      play(told, ({ before, events }) => {
        if (!events.some(({ type }) => type === 'SessionCompleted')) return
        const left = survey(before, told.flow).steps.filter(
          ({ visible, met, step }) => visible && !met && step.required,
        )
        expect(left).toEqual([])
      })
    }))
})

const anyEvent: fc.Arbitrary<SessionEvent> = fc.oneof(
  fc.record({
    type: fc.constantFrom('StepCompleted', 'StepSaved'),
    data: fc.record({ stepId: fc.oneof(stepId, fc.string({ minLength: 1 })), data: fc.jsonValue() }),
  }),
  fc.record({
    type: fc.constantFrom('StepStarted', 'StepSkipped', 'StepReopened'),
    data: fc.record({ stepId: fc.oneof(stepId, fc.string({ minLength: 1 })) }),
  }),
  fc.record({
    type: fc.constantFrom('SessionPaused', 'SessionResumed', 'SessionCompleted'),
    data: fc.constant({}),
  }),
  fc.record({
    type: fc.constant('SessionMigrated'),
    data: fc.record({ from: fc.constant(1), to: fc.constant(2), steps: fc.dictionary(stepId, stepId) }),
  }),
) as fc.Arbitrary<SessionEvent>

test('any history at all folds and can be shown', () =>
  fc.assert(
    fc.property(
      fc.constantFrom(...flows),
      fc.boolean(),
      fc.array(fc.record({ event: anyEvent, hour: fc.integer({ min: -50, max: 50 }) })),
      (flow, imported, happened) => {
        const begun: SessionEvent = {
          type: 'SessionStarted',
          data: { flowId: 'f', flowVersion: 1, userId: null, context: {}, ...(imported && { imported }) },
        }
        const state = fold([begun, ...happened.map(({ event, hour }) => at(hoursLater(hour), event))])
        const view = sessionView('s', 't', state, flow, 0, hoursLater(1))
        expect(view.progress).toBeGreaterThanOrEqual(0)
        expect(view.progress).toBeLessThanOrEqual(100)
        expect(view.startedAt <= view.lastActivityAt).toBe(true)
        expect(() => JSON.stringify(view)).not.toThrow()
      },
    ),
    { numRuns: RUNS },
  ))
