import { expect } from 'vitest'
import { isRefusal } from '../../../src/domain/decider.ts'
import { type CompiledFlow, compileFlow } from '../../../src/domain/flow.ts'
import type { FlowDefinition, StepDefinition } from '../../../src/domain/flowDefinition.ts'
import { sessionDecider } from '../../../src/domain/session.ts'
import type { Facts, SessionCommand } from '../../../src/domain/sessionCommands.ts'
import type { SessionEvent, SessionEventOf } from '../../../src/domain/sessionEvents.ts'
import type { FoldedEvent, SessionState } from '../../../src/domain/sessionState.ts'
import {
  type ProgressView,
  progressView,
  type SessionView,
  sessionView,
} from '../../../src/domain/sessionView.ts'

/** Given/when/then for sessions: `session(started, paused).when(pause).recordsNothing()`. */

export const T0 = '2026-03-02T09:00:00.000Z'

export function hoursLater(hours: number, from = T0): string {
  return new Date(Date.parse(from) + hours * 3_600_000).toISOString()
}

/** A flow of the given steps, published as version 1. */
export function flowOf(
  steps: readonly ({ id: string } & Partial<StepDefinition>)[],
  more: Partial<FlowDefinition> = {},
  version = 1,
): CompiledFlow {
  const definition = {
    id: 'flow',
    title: 'Flow',
    ...more,
    steps: steps.map((step) => ({ title: step.id, kind: 'form' as const, ...step })),
  }
  const compiled = compileFlow(definition, version)
  if ('faults' in compiled) throw new Error(JSON.stringify(compiled.faults))
  return compiled.flow
}

/** Two steps in a row and an optional third. */
const plain = flowOf([
  {
    id: 'company',
    schema: {
      type: 'object',
      required: ['size'],
      properties: { size: { type: 'integer', minimum: 1 }, name: { type: 'string' } },
    },
    estimatedMinutes: 10,
  },
  { id: 'team', dependsOn: ['company'], estimatedMinutes: 5 },
  { id: 'logo', required: false },
])

/** A command without its facts: those come from the given session. */
export type Bare = SessionCommand extends infer C
  ? C extends SessionCommand
    ? Omit<C, keyof Facts> & Partial<Facts>
    : never
  : never

export const start: Bare = { type: 'StartSession', userId: 'ana', context: {} }
export const submit = (stepId: string, data: unknown = {}): Bare => ({ type: 'SubmitStep', stepId, data })
export const begin = (stepId: string): Bare => ({ type: 'StartStep', stepId })
export const save = (stepId: string, data: unknown): Bare => ({ type: 'SaveStep', stepId, data })
export const skip = (stepId: string): Bare => ({ type: 'SkipStep', stepId })
export const reopen = (stepId: string): Bare => ({ type: 'ReopenStep', stepId })
export const pause: Bare = { type: 'PauseSession' }
export const resume: Bare = { type: 'ResumeSession' }
export const complete: Bare = { type: 'CompleteSession' }
export const abandon: Bare = { type: 'AbandonSession', reason: 'requested' }

export function event<T extends SessionEvent['type']>(
  type: T,
  data: SessionEventOf<T>['data'],
): SessionEventOf<T> {
  return { type, data } as SessionEventOf<T>
}

export const started = event('SessionStarted', { flowId: 'flow', flowVersion: 1, userId: 'ana', context: {} })
export const startedWith = (context: Record<string, unknown>) =>
  event('SessionStarted', { flowId: 'flow', flowVersion: 1, userId: 'ana', context })
export const imported = event('SessionStarted', {
  flowId: 'flow',
  flowVersion: 1,
  userId: null,
  context: {},
  imported: true,
})
export const opened = (stepId: string) => event('StepStarted', { stepId })
export const saved = (stepId: string, data: unknown) => event('StepSaved', { stepId, data })
export const completed = (stepId: string, data: unknown = {}) => event('StepCompleted', { stepId, data })
export const skipped = (stepId: string) => event('StepSkipped', { stepId })
export const reopened = (stepId: string) => event('StepReopened', { stepId })
export const milestone = (reached: number) => event('MilestoneReached', { milestone: reached })
export const paused = event('SessionPaused', {})
export const resumed = event('SessionResumed', {})
export const sessionCompleted = event('SessionCompleted', {})
export const abandoned = event('SessionAbandoned', { reason: 'requested' })

/** An event that happened then, by somebody. */
export function at(time: string, happened: SessionEvent, by = 'ana'): FoldedEvent {
  return { ...happened, metadata: { occurredAt: time, actor: { id: by, role: 'participant' } } }
}

export function session(...history: (SessionEvent | FoldedEvent)[]) {
  return given(plain, fold(history))
}

export const inFlow = (flow: CompiledFlow) => ({
  session: (...history: (SessionEvent | FoldedEvent)[]) => given(flow, fold(history)),
})

export function fold(
  history: readonly FoldedEvent[],
  from: SessionState = sessionDecider.initial,
): SessionState {
  return history.reduce(
    (state, happened) =>
      sessionDecider.evolve(state, (happened.metadata ? happened : at(T0, happened)) as SessionEvent),
    from,
  )
}

function given(flow: CompiledFlow, state: SessionState) {
  return {
    state,
    view: (now?: string): SessionView => sessionView('s1', 'tenant', state, flow, 0, now),
    progress: (): ProgressView => progressView(state, flow),
    when: (command: Bare) => when(flow, state, { flow, at: T0, ...command } as SessionCommand),
  }
}

function when(flow: CompiledFlow, state: SessionState, command: SessionCommand) {
  const decision = sessionDecider.decide(command, state)
  const refused = isRefusal(decision)
  const events = refused ? ('events' in decision ? decision.events : []) : decision
  const folded = fold(
    events.map((happened) => at(command.at, happened)),
    state,
  )
  return {
    events,
    /** Exactly these events; an estimate is compared only where the expected event has one. */
    records(...expected: SessionEvent[]) {
      expect(refused ? decision : undefined).toBeUndefined()
      expect(events.map(({ type }) => type)).toEqual(expected.map(({ type }) => type))
      for (const [place, wanted] of expected.entries()) {
        expect(withoutUnasked(events[place]!, wanted)).toEqual(wanted)
      }
    },
    recordsNothing() {
      expect(decision).toEqual([])
    },
    isRefused(code: string, status: number, extra?: Record<string, unknown>) {
      expect(decision).toMatchObject({ refused: code, status, ...(extra && { extra }) })
      expect(events).toEqual([])
    },
    isRefusedAndRecorded(code: string, status: number, ...expected: SessionEvent[]) {
      expect(decision).toMatchObject({ refused: code, status })
      expect(events).toEqual(expected)
    },
    decision,
    after: given(command.type === 'MigrateSession' ? command.to : flow, folded),
  }
}

function withoutUnasked(happened: SessionEvent, wanted: SessionEvent): SessionEvent {
  if ('estimatedCompletion' in wanted.data) return happened
  const { estimatedCompletion: _, ...data } = happened.data as Record<string, unknown>
  return { type: happened.type, data } as SessionEvent
}
