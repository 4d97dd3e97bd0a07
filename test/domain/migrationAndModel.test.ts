import { describe, expect, test } from 'vitest'
import { type MigrationCommand, migrationDecider } from '../../src/domain/migration.ts'
import type { MigratedSession, MigrationEvent } from '../../src/domain/migrationEvents.ts'
import { modelDecider } from '../../src/domain/model.ts'
import type { TrainedModel } from '../../src/domain/modelEvents.ts'

const moved = (sessionId: string): MigratedSession => ({
  sessionId,
  outcome: 'moved',
  progress: { before: 50, after: 40 },
  currentStep: { before: 'a', after: 'b' },
  left: [],
  invalid: [],
})
const start: MigrationCommand = { type: 'StartMigration', flowId: 'f', from: 1, to: 2, steps: { a: 'b' } }
const plan = (...sessions: MigratedSession[]): MigrationCommand => ({ type: 'PlanMigration', sessions })
const complete = (...stayed: MigratedSession[]): MigrationCommand => ({ type: 'CompleteMigration', stayed })

function migration(...commands: MigrationCommand[]) {
  let state = migrationDecider.initial
  const recorded: MigrationEvent[] = []
  for (const command of commands) {
    const decision = migrationDecider.decide(command, state) as readonly MigrationEvent[]
    recorded.push(...decision)
    state = decision.reduce(migrationDecider.evolve, state)
  }
  return { state, types: recorded.map(({ type }) => type), last: recorded.at(-1) }
}

describe('a migration', () => {
  test('is started, planned in parts and completed, each once', () => {
    const { types } = migration(start, start, plan(moved('s1')), plan(moved('s1')), complete(), complete())
    expect(types).toEqual(['MigrationStarted', 'MigrationPlanned', 'MigrationCompleted'])
  })

  test('cut off goes on with what is not planned yet', () => {
    const { state } = migration(start, plan(moved('s1')), plan(moved('s1'), moved('s2')))
    expect(state.sessions.map(({ sessionId }) => sessionId)).toEqual(['s1', 's2'])
  })

  test('names the sessions that changed in the last moment and stayed', () => {
    const stayed: MigratedSession = { ...moved('s2'), outcome: 'not_in_flight' }
    const { state, last } = migration(start, plan(moved('s1'), moved('s2')), complete(stayed))
    expect(last).toMatchObject({ data: { moved: 1, stayed: [stayed] } })
    expect(state).toEqual({ status: 'completed', sessions: [moved('s1'), stayed] })
  })

  test('that was not started plans and completes nothing', () => {
    expect(migration(plan(moved('s1')), complete()).types).toEqual([])
  })
})

describe('a model', () => {
  const model = { flowId: 'f' } as unknown as Omit<TrainedModel, 'version'>
  const record = (after: number) => ({ type: 'RecordModel', after, model }) as const

  test('is the next version, unless somebody else recorded theirs meanwhile', () => {
    const first = modelDecider.decide(record(0), modelDecider.initial)
    expect(first).toMatchObject([{ type: 'ModelTrained', data: { version: 1 } }])
    const state = (first as never[]).reduce(modelDecider.evolve, modelDecider.initial)
    expect(modelDecider.decide(record(0), state)).toEqual([])
    expect(modelDecider.decide(record(1), state)).toMatchObject([{ data: { version: 2 } }])
  })
})
