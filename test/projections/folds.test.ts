import { describe, expect, test } from 'vitest'
import { flows, flowVersions } from '../../src/projections/flows.ts'
import { imports } from '../../src/projections/imports.ts'
import { sessions } from '../../src/projections/sessions.ts'
import { signals } from '../../src/projections/signals.ts'
import { steps } from '../../src/projections/steps.ts'
import { fold, recorded, secondsLater, started, step, T0, told } from './support/events.ts'

const session = (...events: Parameters<typeof recorded>[0]) =>
  fold([sessions, steps, signals], recorded([started(), ...events]))
const imported = (...events: Parameters<typeof recorded>[0]) =>
  fold([sessions, steps, signals], recorded([started({ imported: true, userId: null }), ...events]))

describe('a session row', () => {
  test('begins active, with everything known of it', () =>
    expect(session().row('sessions acme s1')).toEqual({
      tenant: 'acme',
      id: 's1',
      user_id: 'ada',
      flow_id: 'welcome',
      flow_version: 1,
      status: 'active',
      imported: false,
      started_at: T0,
      last_activity_at: T0,
      moved_at: T0,
      completed_at: null,
      abandoned_at: null,
      estimated_completion: null,
      milestone: 0,
      duration_ms: null,
      idle_hour: Math.floor(Date.parse(T0) / 3_600_000),
      revision: 0,
    }))

  test('knows how long a completed session took', () =>
    expect(session(told('SessionCompleted', {}, 90)).row('sessions acme s1')).toMatchObject({
      status: 'completed',
      completed_at: secondsLater(90),
      duration_ms: 90_000,
      idle_hour: null,
    }))

  test('is active again after a pause', () =>
    expect(
      session(told('SessionPaused', {}, 10), told('SessionResumed', {}, 20)).row('sessions acme s1'),
    ).toMatchObject({ status: 'active', moved_at: secondsLater(20) }))

  test('was not active when inactivity ended it', () =>
    expect(
      session(told('SessionAbandoned', { reason: 'inactivity' }, 500)).row('sessions acme s1'),
    ).toMatchObject({ status: 'abandoned', last_activity_at: T0, abandoned_at: secondsLater(500) }))

  test('keeps the highest milestone, which is nobody’s activity', () =>
    expect(
      session(
        told('MilestoneReached', { milestone: 50 }, 5),
        told('MilestoneReached', { milestone: 25 }, 5),
      ).row('sessions acme s1'),
    ).toMatchObject({ milestone: 50, last_activity_at: T0, revision: 2 }))

  test('of an import begins with the earliest line, whatever their order', () =>
    expect(
      imported(step('StepCompleted', 'a', 100), step('StepCompleted', 'b', -50)).row('sessions acme s1'),
    ).toMatchObject({
      started_at: secondsLater(-50),
      last_activity_at: secondsLater(100),
      idle_hour: null,
    }))

  test('cannot come of an event without a beginning', () =>
    expect(fold([sessions], recorded([told('SessionPaused', {})])).errors).toEqual([
      'SessionPaused before its session began',
    ]))
})

describe('a step row', () => {
  test('took from its first start to its first completion', () =>
    expect(
      session(
        step('StepStarted', 'a', 10),
        step('StepStarted', 'a', 20),
        step('StepCompleted', 'a', 70),
        step('StepCompleted', 'a', 500),
      ).row('steps acme s1 a'),
    ).toMatchObject({
      status: 'completed',
      started: 2,
      submitted: 2,
      first_completed_at: secondsLater(70),
      last_completed_at: secondsLater(500),
      duration_ms: 60_000,
    }))

  test('that was never started took from when the session last moved on', () =>
    expect(
      session(
        step('StepCompleted', 'a', 10),
        step('StepValidationFailed', 'b', 30, { errors: [] }),
        step('StepCompleted', 'b', 40),
      ).row('steps acme s1 b'),
    ).toMatchObject({ failed_validations: 1, duration_ms: 30_000 }))

  test('of an import took from the step before, and the first one is not known', () => {
    const { row } = imported(
      step('StepCompleted', 'a', 10),
      step('StepCompleted', 'b', 15),
      step('StepCompleted', 'c', 12),
    )
    expect(row('steps acme s1 a')).toMatchObject({ duration_ms: null })
    expect(row('steps acme s1 b')).toMatchObject({ duration_ms: 5000 })
    expect(row('steps acme s1 c')).toMatchObject({ duration_ms: null, submitted: 1 })
  })

  test('is open again once reopened, and skipped once skipped', () => {
    const events = [step('StepCompleted', 'a', 1), step('StepReopened', 'a', 2)] as const
    expect(session(...events).row('steps acme s1 a')).toMatchObject({ status: 'open', reopened: 1 })
    expect(session(...events, step('StepSkipped', 'a', 3)).row('steps acme s1 a')).toMatchObject({
      status: 'skipped',
      skipped: 1,
      skipped_at: secondsLater(3),
    })
  })
})

describe('signals', () => {
  test('are counted and summed a day, exactly', () => {
    const { row } = session(
      told('SignalTracked', { signal: 'paid', value: 0.1 }),
      told('SignalTracked', { signal: 'paid', value: 0.2 }),
      told('SignalTracked', { signal: 'paid' }),
      told('SignalTracked', { signal: 'paid', value: 5 }, 86_400),
    )
    const first = { tracked: 3, valued: 2, sum: '0.3', least: 0.1, greatest: 0.2 }
    expect(row('signals acme welcome paid 2026-03-02')).toMatchObject(first)
    expect(row('signals acme welcome paid 2026-03-03')).toMatchObject({ tracked: 1, valued: 1, sum: '5' })
  })
})

describe('flows', () => {
  const definition = (title: string) => ({
    id: 'welcome',
    title,
    steps: [{ id: 'a', title: 'A', kind: 'form' }],
  })
  const published = recorded(
    [
      told('FlowPublished', { flowId: 'welcome', version: 1, definition: definition('One') }),
      told(
        'FlowPublished',
        { flowId: 'welcome', version: 2, definition: { ...definition('Two'), abandonAfterHours: 5 } },
        60,
      ),
    ],
    { category: 'flow', id: 'welcome' },
  )

  test('show their latest version', () =>
    expect(fold([flows], published).row('flows acme welcome')).toEqual({
      tenant: 'acme',
      flow_id: 'welcome',
      version: 2,
      title: 'Two',
      steps: ['a'],
      first_published_at: T0,
      published_at: secondsLater(60),
    }))

  test('keep every version', () => {
    const { row } = fold([flowVersions], published)
    expect(row('flow_versions acme welcome 1')).toMatchObject({ abandon_after_hours: 72 })
    expect(row('flow_versions acme welcome 2')).toMatchObject({ abandon_after_hours: 5 })
  })
})

test('an import row runs until its end is recorded', () => {
  const begun = told('ImportStarted', { importId: 'i1', flowId: 'loans' })
  const done = {
    importId: 'i1',
    flowId: 'loans',
    rows: 3,
    sessions: 1,
    events: 2,
    rejectedCount: 1,
    rejected: [{ line: 3, code: 'invalid_line', detail: 'no' }],
    bodyHash: '0',
  }
  const at = { category: 'import', id: 'i1' }
  expect(fold([imports], recorded([begun], at)).row('imports acme i1')).toMatchObject({
    status: 'running',
    started_by: 'tester',
    rows: null,
  })
  expect(
    fold([imports], recorded([begun, told('ImportCompleted', done, 60)], at)).row('imports acme i1'),
  ).toMatchObject({ status: 'completed', completed_at: secondsLater(60), rows: 3, rejected_count: 1 })
})
