import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/domain/envelope.ts'
import { evolveSession, type FoldedEvent, noSession } from '../../src/domain/sessionState.ts'
import { familiesOf } from '../../src/projections/family.ts'
import { type FoldResult, foldEvents, keyText } from '../../src/projections/fold.ts'
import type { AnyProjection, AnyRow, Projection } from '../../src/projections/projection.ts'
import { readModels } from '../../src/projections/readModels.ts'
import type { SessionRow } from '../../src/projections/sessionRow.ts'
import { sessions } from '../../src/projections/sessions.ts'
import { tallyDeltas } from '../../src/projections/tallies.ts'
import { fold, recorded, started, step, told } from './support/events.ts'
import { type Happening, histories } from './support/histories.ts'

/** Happenings as one log: positions in order, revisions by stream. */
function logOf(happenings: readonly Happening[]): RecordedEvent[] {
  const revisions = new Map<string, number>()
  return happenings.map(({ session, tenant, event, occurredAt }, place) => {
    const [one] = recorded([{ type: event.type, data: event.data }], { tenant, id: session })
    const revision = revisions.get(one!.stream) ?? 0
    revisions.set(one!.stream, revision + 1)
    return { ...one!, revision, position: String(place + 1), metadata: { ...one!.metadata, occurredAt } }
  })
}

/** Folds batch by batch, as the runner does, into rows kept in memory. */
function foldInBatches(events: readonly RecordedEvent[], sizes: readonly number[]) {
  const tables = new Map<AnyProjection, Map<string, AnyRow | null>>(readModels.map((one) => [one, new Map()]))
  const sums = new Map<string, number[]>()
  for (let from = 0, batch = 0; from < events.length; batch++) {
    const size = sizes[batch % sizes.length]!
    const part = events.slice(from, from + size)
    from += size
    for (const family of familiesOf(readModels)) {
      const result = foldEvents(
        family,
        part,
        { get: (one, key) => tables.get(one)!.get(key) ?? null },
        new Set(),
      )
      if ('missing' in result) throw new Error('every row is known')
      for (const [member, changed] of result.changed) {
        const table = tables.get(member)!
        const before = [...changed].map(([key, { row }]) => ({ before: table.get(key) ?? null, row }))
        for (const tally of member.tallies ?? [])
          for (const { key, add } of tallyDeltas(tally, before)) {
            const name = `${tally.name} ${key.join(' ')}`
            sums.set(
              name,
              add.map((amount, index) => amount + (sums.get(name)?.[index] ?? 0)),
            )
          }
        for (const [key, { row }] of changed) table.set(key, row)
      }
    }
  }
  const rows = [...tables].flatMap(([{ name }, table]) =>
    [...table].map(([key, row]) => [`${name} ${key}`, row] as const),
  )
  const kept = [...sums].filter(([, amounts]) => amounts.some((amount) => amount !== 0))
  return { rows: new Map(rows.sort(byName)), sums: new Map(kept.sort(byName)), tables }
}
const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1)

describe('any history', () => {
  test('gives the same rows and sums whatever the batches were', () =>
    fc.assert(
      fc.property(
        histories(60),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        (told, sizes) => {
          const events = logOf(told)
          const { rows, sums } = foldInBatches(events, sizes)
          const whole = foldInBatches(events, [events.length])
          expect(rows).toEqual(whole.rows)
          expect(sums).toEqual(whole.sums)
        },
      ),
      { numRuns: 300 },
    ))

  test('gives sums that are what the rows add up to', () =>
    fc.assert(
      fc.property(histories(60), (told) => {
        const { tables, sums } = foldInBatches(logOf(told), [3])
        const added = new Map<string, number[]>()
        for (const [member, table] of tables)
          for (const tally of member.tallies ?? [])
            for (const row of table.values())
              for (const { key, add } of row ? tally.of(row) : []) {
                const name = `${tally.name} ${key.join(' ')}`
                added.set(
                  name,
                  add.map((amount, index) => amount + (added.get(name)?.[index] ?? 0)),
                )
              }
        expect(sums).toEqual(new Map([...added].sort(byName)))
      }),
      { numRuns: 200 },
    ))

  test('gives session rows that agree with the sessions that commands are decided by', () =>
    fc.assert(
      fc.property(histories(50), (told) => {
        const events = logOf(told)
        const { row } = fold([sessions], events)
        const states = new Map<string, ReturnType<typeof evolveSession>>()
        for (const event of events)
          states.set(
            event.stream,
            evolveSession(states.get(event.stream) ?? noSession, event as unknown as FoldedEvent),
          )
        for (const { tenant, session } of told) {
          const own = events.filter(
            (event) => event.metadata.tenant === tenant && event.stream.endsWith(`_${session}`),
          )
          const state = states.get(own[0]!.stream)!
          const found = row(`sessions ${tenant} ${session}`) as unknown as SessionRow
          expect({
            user: found.user_id,
            flow: found.flow_id,
            version: found.flow_version,
            status: found.status,
            imported: found.imported,
            startedAt: found.started_at,
            lastActivityAt: found.last_activity_at,
            completedAt: found.completed_at ?? undefined,
            abandonedAt: found.abandoned_at ?? undefined,
            estimated: found.estimated_completion ?? undefined,
            milestone: found.milestone,
            revision: found.revision,
          }).toEqual({
            user: state.userId,
            flow: state.flowId,
            version: state.flowVersion,
            status: state.status,
            imported: state.imported,
            startedAt: state.startedAt,
            lastActivityAt: state.lastActivityAt,
            completedAt: state.completedAt,
            abandonedAt: state.abandonedAt,
            estimated: state.estimatedCompletion,
            milestone: Math.max(0, ...state.milestones),
            revision: own.at(-1)!.revision,
          })
        }
      }),
      { numRuns: 300 },
    ))
})

/** Counts events a stream; a step named `bad` cannot be counted. */
interface CountRow {
  readonly stream: string
  readonly n: number
}
const counts: Projection<CountRow> = {
  name: 'counts',
  version: 1,
  types: ['SessionStarted', 'StepCompleted'],
  table: {
    description: '',
    columns: { stream: 'text', n: 'integer' },
    about: { stream: '', n: '' },
    key: ['stream'],
  },
  key: (event) => [event.stream],
  evolve: (row, event) => ({ stream: event.stream, n: (row?.n ?? 0) + 1 }),
}
const children: Projection<CountRow, RecordedEvent, CountRow> = {
  ...counts,
  name: 'children',
  types: ['StepCompleted'],
  parent: counts,
  key: (event) => [`${event.stream} ${(event.data as { stepId: string }).stepId}`],
  evolve: (row, event, parent) => {
    const { stepId } = event.data as { stepId: string }
    if (stepId === 'bad') throw new Error('bad step')
    return { stream: `${event.stream} ${stepId}`, n: (row?.n ?? 0) + 10 * parent!.n }
  },
}

describe('an event that a fold throws on', () => {
  const [family] = familiesOf([counts, children])
  const of = (id: string) =>
    recorded(
      [
        started(),
        step('StepCompleted', 'a', 1),
        step('StepCompleted', 'bad', 2),
        step('StepCompleted', 'b', 3),
      ],
      { id },
    )
  const parkedOf = (result: FoldResult) => ('missing' in result ? [] : result.parked)
  const changedOf = (result: FoldResult, member: AnyProjection) =>
    'missing' in result ? [] : [...result.changed.get(member)!.values()].map(({ row }) => row)

  test('changes no row of its family, and later events of its key queue behind it', () => {
    const result = foldEvents(family!, of('s1'), { get: () => null }, new Set())
    expect(changedOf(result, counts)).toEqual([{ stream: 'session-acme_s1', n: 2 }])
    expect(changedOf(result, children)).toEqual([{ stream: 'session-acme_s1 a', n: 10 }])
    expect(parkedOf(result).map(({ key, event, error }) => [key, event.revision, error])).toEqual([
      ['["session-acme_s1"]', 2, 'bad step'],
      ['["session-acme_s1"]', 3, null],
    ])
  })

  test('leaves other keys alone', () => {
    const [other] = [recorded([started(), step('StepCompleted', 'a', 1)], { id: 's2' })]
    const result = foldEvents(family!, [...of('s1'), ...other!], { get: () => null }, new Set())
    expect(changedOf(result, counts)).toContainEqual({ stream: 'session-acme_s2', n: 2 })
  })

  test('queues everything of a key that was parked before', () => {
    const result = foldEvents(family!, of('s1'), { get: () => null }, new Set(['["session-acme_s1"]']))
    expect(parkedOf(result)).toHaveLength(4)
    expect(changedOf(result, counts)).toEqual([])
  })

  test('parks its stream where not even its key can be told', () => {
    const throwing: Projection<CountRow> = {
      ...counts,
      key: (event) => {
        if (event.revision === 1) throw new Error('no key')
        return [event.stream]
      },
    }
    const [one] = familiesOf([throwing])
    const result = foldEvents(one!, of('s1'), { get: () => null }, new Set())
    expect(parkedOf(result).map(({ key, error }) => [key, error])).toEqual([
      ['["session-acme_s1"]', 'no key'],
      ['["session-acme_s1"]', null],
      ['["session-acme_s1"]', null],
    ])
  })
})

test('rows that are not known are asked for, each once', () => {
  const [family] = familiesOf([counts, children])
  const events = recorded([
    started(),
    step('StepCompleted', 'a', 1),
    step('StepCompleted', 'b', 2),
    told('SessionPaused', {}),
  ])
  const known = new Map<string, AnyRow | null>()
  const asked: string[] = []
  for (;;) {
    const result = foldEvents(
      family!,
      events,
      { get: (member, key) => known.get(`${member.name} ${key}`) },
      new Set(),
    )
    if (!('missing' in result)) break
    for (const [member, keys] of result.missing)
      for (const key of keys) {
        asked.push(`${member.name} ${key}`)
        known.set(`${member.name} ${keyText(key)}`, null)
      }
  }
  expect(asked.sort()).toEqual([
    'children session-acme_s1 a',
    'children session-acme_s1 b',
    'counts session-acme_s1',
  ])
})
