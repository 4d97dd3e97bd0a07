import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { streamName } from '../../src/domain/stream.ts'
import { encode } from '../../src/eventStore/codec.ts'
import { familiesOf, familyNamed } from '../../src/projections/family.ts'
import { dropParked, listParked, retryParked } from '../../src/projections/parked.ts'
import { prepareClient } from '../../src/projections/prepareClient.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { sessions } from '../../src/projections/sessions.ts'
import { signals } from '../../src/projections/signals.ts'
import { steps } from '../../src/projections/steps.ts'
import { record, signal } from '../support/log.ts'
import type { Happening } from './support/histories.ts'
import {
  contents,
  type FreshLog,
  freshLog,
  metadata,
  projectAll,
  runnerOn,
  tell,
} from './support/readModels.ts'

const at = '2026-03-02T09:00:00.000Z'
const happening = (session: string, type: string, data: object = {}): Happening => ({
  session,
  tenant: 'acme',
  event: { type, data },
  occurredAt: at,
})
const begin = (session: string) =>
  happening(session, 'SessionStarted', { flowId: 'welcome', flowVersion: 1, userId: 'ada', context: {} })
const complete = (session: string, stepId: string) =>
  happening(session, 'StepCompleted', { stepId, data: null })

/** The read models as a build with a mistake has them: it cannot take in a step named `bad`. */
const mistaken: AnyProjection[] = [
  sessions,
  {
    ...steps,
    evolve: (row, event, session) => {
      if (event.data.stepId === 'bad') throw new Error('cannot take in bad')
      return steps.evolve(row, event, session)
    },
  },
  signals,
]
const mended: AnyProjection[] = [sessions, steps, signals]
const [family] = familiesOf(mended)

const story = [
  begin('s1'),
  begin('s2'),
  complete('s1', 'a'),
  complete('s1', 'bad'),
  complete('s1', 'b'),
  complete('s2', 'a'),
  happening('s1', 'SessionCompleted'),
  happening('s2', 'SessionCompleted'),
]

async function operator({ connectionString }: FreshLog): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await prepareClient(client)
  onTestFinished(() => client.end())
  return client
}

async function parkedStory() {
  const log = await freshLog()
  await tell(log.store, story)
  await projectAll(log, { projections: mistaken })
  return { log, client: await operator(log) }
}

describe('a parked key', () => {
  test('is listed with what parked it and how many events wait, and others go on', async () => {
    const { log } = await parkedStory()
    expect(await listParked(log.pool)).toMatchObject([
      {
        family: 'sessions',
        key: '["acme","s1"]',
        events: 3,
        first: { type: 'StepCompleted', revision: 2, position: '4', error: 'cannot take in bad' },
      },
    ])
    const { rows } = await log.pool.query('select id, status, revision from read.sessions order by id')
    expect(rows).toEqual([
      { id: 's1', status: 'active', revision: 1 },
      { id: 's2', status: 'completed', revision: 2 },
    ])
    expect(await runnerOn(log, { projections: mistaken }).status()).toMatchObject([
      { name: 'sessions', parked: 1 },
    ])
  })

  test('goes on queueing after a restart', async () => {
    const { log } = await parkedStory()
    const stream = streamName('session', 'acme', 's1')
    const head = (await log.store.heads([stream])).get(stream)!
    const later = encode(
      stream,
      [
        {
          id: randomUUID(),
          event: { type: 'StepCompleted', data: { stepId: 'c', data: 1 } },
          metadata: metadata('acme', at),
        },
      ],
      head,
    )
    await log.store.append(stream, later, head.revision)
    await projectAll(log, { projections: mended })
    expect((await listParked(log.pool))[0]).toMatchObject({ events: 4 })
  })

  test('has its events applied in order by a retry, and is then as if nothing had been', async () => {
    const { log, client } = await parkedStory()
    expect(await retryParked(log.store, client, family!, '["acme","s1"]')).toEqual({ applied: 3, left: 0 })
    expect(await listParked(log.pool)).toEqual([])
    const retried = await contents(log.connectionString, mended)
    await log.pool.query('drop schema read cascade')
    await projectAll(log, { projections: mended })
    expect(await contents(log.connectionString, mended)).toEqual(retried)
  })

  test('is retried as far as it goes', async () => {
    const { log, client } = await parkedStory()
    const [still] = familiesOf(mistaken)
    expect(await retryParked(log.store, client, still!, '["acme","s1"]')).toEqual({
      applied: 0,
      left: 3,
      error: 'cannot take in bad',
    })
    expect((await listParked(log.pool))[0]).toMatchObject({ events: 3 })
  })

  test('is retried while somebody projects, who then looks anew', async () => {
    const log = await freshLog()
    await tell(log.store, story)
    await projectAll(log, { projections: mistaken })
    const runner = runnerOn(log, { projections: mended })
    await runner.start()
    expect(await runner.waitFor('sessions', await log.store.head(), 5000)).toEqual({ ok: true })
    await retryParked(log.store, await operator(log), family!, '["acme","s1"]')
    await record(log.store, 'acme', 's1', [signal('opened')])
    expect(await runner.waitFor('sessions', await log.store.head(), 5000)).toEqual({ ok: true })
    const { rows } = await log.pool.query('select id, revision from read.sessions order by id')
    expect(rows).toEqual([
      { id: 's1', revision: 5 },
      { id: 's2', revision: 2 },
    ])
    expect(await listParked(log.pool)).toEqual([])
  })

  test('can be dropped: what waited is left out', async () => {
    const { log, client } = await parkedStory()
    expect(await dropParked(client, family!, '["acme","s1"]')).toBe(3)
    expect(await dropParked(client, family!, '["acme","s1"]')).toBeUndefined()
    expect(await listParked(log.pool)).toEqual([])
  })
})

describe('what the database refuses', () => {
  const many = (poison: Happening) => [
    ...Array.from({ length: 30 }, (_, n) => begin(`a${n}`)),
    poison,
    ...Array.from({ length: 30 }, (_, n) => complete(`a${n}`, 'a')),
  ]

  test.each([
    [
      'a text with NUL',
      {
        ...begin('p'),
        event: {
          type: 'SessionStarted',
          data: { flowId: 'w\u0000', flowVersion: 1, userId: null, context: {} },
        },
      },
    ],
    [
      'a key too long for an index',
      {
        ...begin('p'),
        event: {
          type: 'SessionStarted',
          data: { flowId: noise(40_000), flowVersion: 1, userId: null, context: {} },
        },
      },
    ],
  ])('%s is found among others and parked alone', async (_, poison) => {
    const log = await freshLog()
    await tell(log.store, many(poison))
    await projectAll(log, { projections: mended })
    expect(await listParked(log.pool)).toMatchObject([{ key: '["acme","p"]', events: 1 }])
    const { rows } = await log.pool.query(
      'select count(*)::int as sessions, (select count(*)::int from read.steps) as steps from read.sessions',
    )
    expect(rows).toEqual([{ sessions: 30, steps: 30 }])
  })

  test('is found in a COPY too', async () => {
    const log = await freshLog()
    const others = Array.from({ length: 1500 }, (_, n) => begin(`b${n}`))
    const poison = {
      ...begin('p'),
      event: {
        type: 'SessionStarted',
        data: { flowId: noise(40_000), flowVersion: 1, userId: null, context: {} },
      },
    }
    await tell(log.store, [...others.slice(0, 700), poison, ...others.slice(700)])
    await projectAll(log, { projections: mended, tuning: { pageSize: 1501 } })
    expect(await listParked(log.pool)).toMatchObject([{ key: '["acme","p"]', events: 1 }])
    const { rows } = await log.pool.query('select count(*)::int as n from read.sessions')
    expect(rows).toEqual([{ n: 1500 }])
  })
})

/** A text that cannot be compressed into an index entry. */
function noise(length: number): string {
  let text = ''
  while (text.length < length) text += randomUUID()
  return text.slice(0, length)
}

test('there is a family for every read model’s name', () => {
  expect(familyNamed([family!], 'step_statistics')?.name).toBe('sessions')
  expect(familyNamed([family!], 'nothing')).toBeUndefined()
})
