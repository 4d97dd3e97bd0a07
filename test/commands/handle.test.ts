import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sessionAggregate } from '../../src/commands/aggregates.ts'
import { type CommandKeys, createCommandKeys } from '../../src/commands/commandKeys.ts'
import { type CommandContext, createHandle, type Handle, type Outcome } from '../../src/commands/handle.ts'
import { planFlow } from '../../src/domain/flow.ts'
import type { SessionCommand } from '../../src/domain/sessionCommands.ts'
import type { SessionEvent } from '../../src/domain/sessionEvents.ts'
import type { SessionState } from '../../src/domain/sessionState.ts'
import { chainOf } from '../../src/eventStore/chain.ts'
import { type EventStore, EventStoreUnavailable } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

type Answer = Outcome<SessionState, SessionEvent>

const flow = planFlow(
  {
    id: 'welcome',
    title: 'Welcome',
    steps: [
      {
        id: 'name',
        title: 'Name',
        kind: 'form',
        schema: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
      },
      { id: 'more', title: 'More', kind: 'form', required: false },
    ],
  },
  1,
)

let database: TestDatabase
/** Two nodes: each with its own connections and caches, on one log. */
let nodes: { store: EventStore; keys: CommandKeys; handle: Handle }[]
let handle: Handle
let store: EventStore

async function startNode() {
  const { connectionString } = database
  const store = await createPostgresEventStore({ connectionString })
  const keys = await createCommandKeys({ connectionString, relaxed: true })
  return { store, keys, handle: createHandle({ store, commandKeys: keys }) }
}

beforeAll(async () => {
  database = await freshDatabase()
  nodes = await Promise.all([startNode(), startNode()])
  ;({ handle, store } = nodes[0]!)
})

afterAll(async () => {
  for (const node of nodes) await Promise.all([node.store.close(), node.keys.close()])
  await database.drop()
})

function context(more: Partial<CommandContext> & { key?: string } = {}): CommandContext {
  const { key, ...rest } = more
  return {
    tenant: 'acme',
    actor: { id: 'u1', role: 'member' },
    commandId: key ?? randomUUID(),
    commandHash: 'a'.repeat(64),
    correlationId: 'c1',
    keyed: key !== undefined,
    occurredAt: new Date().toISOString(),
    ...rest,
  }
}

const command =
  (given: Record<string, unknown> & { type: SessionCommand['type'] }) => (_: SessionState, at: string) =>
    ({ flow, at, ...given }) as SessionCommand
const start = command({ type: 'StartSession', userId: 'u1', context: {} })
const pause = command({ type: 'PauseSession' })
const resume = command({ type: 'ResumeSession' })
const track = (value: number) => command({ type: 'TrackSignal', signal: 's', value })
const submit = (data: unknown) => command({ type: 'SubmitStep', stepId: 'name', data })

async function started(on = handle): Promise<string> {
  const id = randomUUID()
  await on(sessionAggregate, id, context({ newId: true }), start)
  return id
}

function accepted(outcome: Answer) {
  if (outcome.kind !== 'accepted') throw new Error(`${outcome.kind}: ${JSON.stringify(outcome)}`)
  return outcome
}

const types = async (id: string) =>
  (await Array.fromAsync(store.read(`session-acme_${id}`))).map((event) => event.type)

describe('a command', () => {
  test('is recorded with who, when, why and under which key, and answered with its place', async () => {
    const id = randomUUID()
    const at = '2026-03-01T10:00:00.000Z'
    const outcome = accepted(
      await handle(sessionAggregate, id, context({ key: 'k-meta', occurredAt: at }), start),
    )
    expect(outcome).toMatchObject({
      revision: 0,
      replayed: false,
      state: { status: 'active', startedAt: at },
    })
    const [event] = await Array.fromAsync(store.read(`session-acme_${id}`))
    expect(event).toMatchObject({
      type: 'SessionStarted',
      position: outcome.position,
      metadata: {
        tenant: 'acme',
        actor: { id: 'u1', role: 'member' },
        commandId: 'k-meta',
        commandHash: 'a'.repeat(64),
        $correlationId: 'c1',
        $causationId: 'k-meta',
        occurredAt: at,
      },
    })
  })

  test('that changes nothing is accepted at the revision that is there', async () => {
    const id = await started()
    const first = accepted(await handle(sessionAggregate, id, context(), pause))
    const again = accepted(await handle(sessionAggregate, id, context(), pause))
    expect(again).toMatchObject({ revision: 1, position: first.position, events: [], replayed: false })
  })

  test('that makes no sense to its fact finder is refused without a trace', async () => {
    const id = await started()
    const refusal = { refused: 'flow_unknown', status: 404, detail: 'none' } as const
    const outcome = await handle(sessionAggregate, id, context(), () => refusal)
    expect(outcome).toEqual({ kind: 'refused', refusal, replayed: false })
    expect(await types(id)).toEqual(['SessionStarted'])
  })

  test('whose fact finder throws fails alone, also in a batch with others', async () => {
    const id = await started()
    const all = await Promise.allSettled([
      ...[1, 2, 3].map((n) => handle(sessionAggregate, id, context(), track(n))),
      handle(sessionAggregate, id, context(), () => Promise.reject(new Error('facts are out'))),
      ...[4, 5, 6].map((n) => handle(sessionAggregate, id, context(), track(n))),
    ])
    expect(all.map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      true,
      true,
      false,
      true,
      true,
      true,
    ])
    expect(await types(id)).toHaveLength(7)
  })

  test('that would record more than the log takes at once is told so, and the next one goes in', async () => {
    const id = await started()
    const huge = submit({ name: 'x'.repeat(1_100_000) })
    const all = await Promise.allSettled([
      handle(sessionAggregate, id, context(), track(1)),
      handle(sessionAggregate, id, context(), huge),
      handle(sessionAggregate, id, context(), track(2)),
    ])
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(all[1]).toMatchObject({ reason: { name: 'CommandTooLarge' } })
    expect(await types(id)).toEqual(['SessionStarted', 'SignalTracked', 'SignalTracked'])
  })
})

describe('If-Match', () => {
  test('lets a command through at the revision it names and at no other', async () => {
    const id = await started()
    const at = (revision: number) => context({ ifMatch: (actual) => actual === revision })
    expect(await handle(sessionAggregate, id, at(3), pause)).toEqual({
      kind: 'precondition_failed',
      revision: 0,
    })
    expect((await handle(sessionAggregate, id, at(0), pause)).kind).toBe('accepted')
  })

  test('is not fooled by a cache that another node left behind', async () => {
    const id = await started()
    const other = nodes[1]!.handle
    await other(sessionAggregate, id, context(), track(1))
    const at = (revision: number) => context({ ifMatch: (actual) => actual === revision })
    expect(await handle(sessionAggregate, id, at(0), track(2))).toEqual({
      kind: 'precondition_failed',
      revision: 1,
    })
    await other(sessionAggregate, id, context(), track(3))
    expect((await handle(sessionAggregate, id, at(2), track(4))).kind).toBe('accepted')
  })

  test('is looked at after the repeat', async () => {
    const id = await started()
    const once = context({ key: 'if-match-repeat', ifMatch: (actual) => actual === 0 })
    expect((await handle(sessionAggregate, id, once, pause)).kind).toBe('accepted')
    expect(await handle(sessionAggregate, id, once, pause)).toMatchObject({
      kind: 'accepted',
      revision: 1,
      replayed: true,
    })
  })

  test('fails on what does not exist, unless that is what there is to say', async () => {
    const never = context({ ifMatch: () => false })
    expect(await handle(sessionAggregate, randomUUID(), never, start)).toEqual({
      kind: 'precondition_failed',
      revision: 'no_stream',
    })
    expect(await handle(sessionAggregate, randomUUID(), never, pause)).toMatchObject({
      kind: 'refused',
      refusal: { status: 404 },
    })
  })
})

describe('a repeat under the same key', () => {
  test('answers the first outcome: state, revision and position as they were then', async () => {
    const id = await started()
    const first = accepted(await handle(sessionAggregate, id, context({ key: 'r1' }), pause))
    await handle(sessionAggregate, id, context(), resume)
    await handle(sessionAggregate, id, context(), track(1))
    const again = accepted(await handle(sessionAggregate, id, context({ key: 'r1' }), pause))
    expect(again).toMatchObject({
      revision: first.revision,
      position: first.position,
      replayed: true,
      state: { status: 'paused' },
    })
    expect(again.state).toEqual(first.state)
    expect(await types(id)).toHaveLength(4)
  })

  test('is recognised by another node, and by one that starts later', async () => {
    const id = await started()
    const first = accepted(await handle(sessionAggregate, id, context({ key: 'r2' }), pause))
    await handle(sessionAggregate, id, context(), resume)
    const third = await startNode()
    for (const node of [nodes[1]!, third]) {
      const again = accepted(await node.handle(sessionAggregate, id, context({ key: 'r2' }), pause))
      expect(again).toMatchObject({ revision: first.revision, position: first.position, replayed: true })
    }
    await Promise.all([third.store.close(), third.keys.close()])
  })

  test('is recognised from the log alone when the keys are lost', async () => {
    const id = await started()
    const first = accepted(await handle(sessionAggregate, id, context({ key: 'r3' }), pause))
    await nodes[0]!.keys.release({
      tenant: 'acme',
      key: 'r3',
      stream: '',
      hash: 'a'.repeat(64),
      at: '',
    })
    const again = accepted(await nodes[1]!.handle(sessionAggregate, id, context({ key: 'r3' }), pause))
    expect(again).toMatchObject({ revision: first.revision, replayed: true })
  })

  test('of a recorded refusal is refused alike: errors, revision and position', async () => {
    const id = await started()
    const first = await handle(sessionAggregate, id, context({ key: 'r4' }), submit({ name: 7 }))
    expect(first).toMatchObject({ kind: 'refused', revision: 1, refusal: { status: 422 }, replayed: false })
    await handle(sessionAggregate, id, context(), submit({ name: 'Ann' }))
    for (const { handle } of nodes)
      expect(await handle(sessionAggregate, id, context({ key: 'r4' }), submit({ name: 7 }))).toEqual({
        ...first,
        replayed: true,
      })
    expect((await types(id)).filter((type) => type === 'StepValidationFailed')).toHaveLength(1)
  })

  test('of a command that changed nothing answers what there was then', async () => {
    const id = await started()
    await handle(sessionAggregate, id, context(), pause)
    const first = accepted(await handle(sessionAggregate, id, context({ key: 'r5' }), pause))
    expect(first).toMatchObject({ revision: 1, events: [] })
    await handle(sessionAggregate, id, context(), resume)
    for (const { handle } of nodes) {
      const again = accepted(await handle(sessionAggregate, id, context({ key: 'r5' }), pause))
      expect(again).toEqual({ ...first, replayed: true })
    }
    expect(await types(id)).toEqual(['SessionStarted', 'SessionPaused', 'SessionResumed'])
  })

  test('of a refusal that recorded nothing is decided anew, and its key may serve another content', async () => {
    const id = await started()
    await handle(sessionAggregate, id, context(), command({ type: 'AbandonSession', reason: 'requested' }))
    const refused = await handle(sessionAggregate, id, context({ key: 'r6' }), pause)
    expect(refused).toMatchObject({ kind: 'refused', refusal: { refused: 'session_not_active' } })
    const other = context({ key: 'r6', commandHash: 'b'.repeat(64) })
    expect((await handle(sessionAggregate, id, other, track(1))).kind).toBe('accepted')
  })

  test('at the same moment waits for the first and answers the same', async () => {
    const id = await started()
    const key = 'together'
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        handle(sessionAggregate, id, context({ key }), track(1)).then(accepted),
      ),
    )
    expect(new Set(answers.map((answer) => answer.position)).size).toBe(1)
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1)
    expect(await types(id)).toEqual(['SessionStarted', 'SignalTracked'])
  })

  test('at the same moment on two nodes is recorded once and answered alike, whatever each had found', async () => {
    for (let round = 0; round < 30; round++) {
      const id = await started(nodes[round % 2]!.handle)
      const answers = await Promise.all(
        nodes.map(({ handle }, n) =>
          handle(sessionAggregate, id, context({ key: `both-${round}` }), submit({ name: `node ${n}` })).then(
            accepted,
          ),
        ),
      )
      expect(answers[0]!.position).toBe(answers[1]!.position)
      expect(answers[0]!.state).toEqual(answers[1]!.state)
      expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1)
      expect((await types(id)).filter((type) => type === 'StepCompleted')).toHaveLength(1)
    }
  })

  test('that overtakes a first one which stood still is what both answer', async () => {
    const id = await started()
    const slow: EventStore = {
      ...store,
      append: async (...append) => {
        await new Promise((wake) => setTimeout(wake, 500))
        return store.append(...append)
      },
    }
    const still = createHandle({ store: slow, commandKeys: nodes[0]!.keys })
    const key = 'overtaken'
    const first = still(sessionAggregate, id, context({ key }), submit({ name: 'first' }))
    await new Promise((wake) => setTimeout(wake, 100))
    const second = accepted(
      await nodes[1]!.handle(sessionAggregate, id, context({ key }), submit({ name: 'second' })),
    )
    expect(second.state.steps.get('name')?.answer).toEqual({ data: { name: 'second' } })
    const answer = accepted(await first)
    expect(answer).toMatchObject({ revision: second.revision, position: second.position, replayed: true })
    expect(answer.state).toEqual(second.state)
    expect((await types(id)).filter((type) => type === 'StepCompleted')).toHaveLength(1)
  })
})

describe('while a first attempt stands still on another node', () => {
  /** A node whose next append waits to be let through. */
  function standingStill() {
    const { promise: gate, resolve: letThrough } = Promise.withResolvers<void>()
    const slow: EventStore = {
      ...store,
      append: async (...append) => {
        await gate
        return store.append(...append)
      },
    }
    return { handle: createHandle({ store: slow, commandKeys: nodes[0]!.keys }), letThrough }
  }
  const wait = (ms: number) => new Promise((wake) => setTimeout(wake, ms))

  test('a repeat is not refused what the first may still record', async () => {
    const id = await started()
    const still = standingStill()
    const key = 'not-yet-refused'
    const first = still.handle(sessionAggregate, id, context({ key }), submit({ name: 'Ann' }))
    await wait(100)
    await handle(sessionAggregate, id, context(), pause)
    let told = false
    const second = nodes[1]!.handle(sessionAggregate, id, context({ key }), submit({ name: 'Ann' }))
    void second.then(() => {
      told = true
    })
    await wait(600)
    expect(told).toBe(false)
    await handle(sessionAggregate, id, context(), resume)
    still.letThrough()
    const answer = accepted(await first)
    expect(accepted(await second)).toMatchObject({
      revision: answer.revision,
      position: answer.position,
      replayed: true,
    })
  })

  test('it records nothing more once its key was given up', async () => {
    const id = await started()
    const still = standingStill()
    const key = 'given-up'
    const first = still.handle(sessionAggregate, id, context({ key }), submit({ name: 'Ann' }))
    const failed = expect(first).rejects.toThrow(EventStoreUnavailable)
    await wait(1100)
    await nodes[1]!.keys.release({ tenant: 'acme', key, stream: '', hash: 'a'.repeat(64), at: '' })
    await handle(sessionAggregate, id, context(), track(1))
    still.letThrough()
    await failed
    expect(await types(id)).not.toContain('StepCompleted')
  })
})

test('of two attempts at a command that changes nothing, the first to be kept is the answer of both', async () => {
  const { connectionString } = database
  const keys = nodes[0]!.keys
  const use = { tenant: 'acme', key: 'kept-once', stream: 's', hash: 'h', at: new Date().toISOString() }
  await keys.take(use)
  expect(await keys.keepUnchanged(use, { revision: 3, position: '30' })).toEqual({
    revision: 3,
    position: '30',
  })
  const other = await createCommandKeys({ connectionString, relaxed: true })
  expect(await other.keepUnchanged(use, { revision: 5, position: '50' })).toEqual({
    revision: 3,
    position: '30',
  })
  expect(await other.take(use)).toMatchObject({ unchanged: { revision: 3, position: '30' } })
  await other.close()
})

test('a repeat that overtakes the first attempt is known to it: what is recorded next still hangs together', async () => {
  const [first, second] = nodes
  for (let round = 0; round < 10; round++) {
    const id = await started()
    await first!.handle.load(sessionAggregate, 'acme', id)
    const stream = `session-acme_${id}`
    // The repeat decides and records between the first attempt's decision and its append.
    const overtaken: EventStore = Object.assign(Object.create(first!.store), {
      append: async (...given: Parameters<EventStore['append']>) => {
        if (given[1][0]!.metadata.commandId === `overtaken-${round}`)
          await second!.handle(
            sessionAggregate,
            id,
            context({ key: `overtaken-${round}`, correlationId: randomUUID() }),
            track(1),
          )
        return first!.store.append(...given)
      },
    })
    const slow = createHandle({ store: overtaken, commandKeys: first!.keys })
    await slow(
      sessionAggregate,
      id,
      context({ key: `overtaken-${round}`, correlationId: randomUUID() }),
      track(1),
    )
    await slow(sessionAggregate, id, context({ key: `next-${round}` }), track(2))
    const events = await Array.fromAsync(store.read(stream))
    expect(events).toHaveLength(3)
    for (const [index, event] of events.entries())
      expect(event.metadata.chain).toBe(chainOf(events[index - 1]?.metadata.chain, event))
  }
})

test('an event that only a newer build knows changes nothing that this one decides by', async () => {
  const id = await started()
  const stream = `session-acme_${id}`
  const [first] = await Array.fromAsync(store.read(stream))
  const event = { id: randomUUID(), type: 'SessionNoticed', data: { by: 'somebody' } }
  const metadata = { ...first!.metadata, commandId: randomUUID(), v: 9 }
  const chain = chainOf(first!.metadata.chain, { ...event, stream, revision: 1, metadata })
  await store.append(stream, [{ ...event, metadata: { ...metadata, chain } }], 0)
  for (const node of nodes) {
    const paused = accepted(await node.handle(sessionAggregate, id, context(), pause))
    expect(paused.state).toMatchObject({ status: 'paused', flowId: 'welcome' })
    await node.handle(sessionAggregate, id, context(), resume)
  }
  const events = await Array.fromAsync(store.read(stream))
  for (const [index, event] of events.entries())
    expect(event.metadata.chain).toBe(chainOf(events[index - 1]?.metadata.chain, event))
})

describe('the same key for other content', () => {
  const other = 'b'.repeat(64)

  test('is refused on the same stream and on any other of the tenant', async () => {
    const [a, b] = [await started(), await started()]
    await handle(sessionAggregate, a, context({ key: 'x1' }), pause)
    for (const { handle } of nodes)
      for (const id of [a, b])
        expect(await handle(sessionAggregate, id, context({ key: 'x1', commandHash: other }), pause)).toEqual(
          {
            kind: 'key_reused',
          },
        )
    expect(await types(b)).toEqual(['SessionStarted'])
  })

  test('is no concern of another tenant', async () => {
    const id = await started()
    await handle(sessionAggregate, id, context({ key: 'x2' }), pause)
    const foreign = context({ key: 'x2', tenant: 'other', commandHash: other })
    expect((await handle(sessionAggregate, randomUUID(), foreign, start)).kind).toBe('accepted')
  })

  test('is refused when both come at once to two nodes, and one of them is recorded', async () => {
    for (let round = 0; round < 20; round++) {
      const [a, b] = [await started(), await started()]
      const key = `race-${round}`
      const answers = await Promise.all([
        nodes[0]!.handle(sessionAggregate, a, context({ key }), pause),
        nodes[1]!.handle(sessionAggregate, b, context({ key, commandHash: other }), pause),
      ])
      expect(answers.map(({ kind }) => kind).sort()).toEqual(['accepted', 'key_reused'])
    }
  })
})

describe('two nodes', () => {
  test('writing to one session lose nothing and double nothing', async () => {
    const id = await started()
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        nodes[n % 2]!.handle(sessionAggregate, id, context(), track(n)).then(accepted),
      ),
    )
    const events = await Array.fromAsync(store.read(`session-acme_${id}`))
    expect(events.map((event) => event.revision)).toEqual(Array.from({ length: 201 }, (_, n) => n))
    const byRevision = new Map(events.map((event) => [event.revision, event]))
    for (const [n, outcome] of outcomes.entries()) {
      const event = byRevision.get(outcome.revision)!
      expect(event.data.value).toBe(n)
      expect(event.position).toBe(outcome.position)
    }
  })

  test('a refusal is never made on what the other node has changed', async () => {
    const id = await started()
    const other = nodes[1]!.handle
    await handle(sessionAggregate, id, context(), pause)
    await other(sessionAggregate, id, context(), resume)
    const outcome = await handle(sessionAggregate, id, context(), submit({ name: 'Ann' }))
    expect(outcome.kind).toBe('accepted')
  })

  test('loading shows what the other node has just written', async () => {
    const id = await started()
    const other = nodes[1]!.handle
    expect((await handle.load(sessionAggregate, 'acme', id))?.revision).toBe(0)
    await other(sessionAggregate, id, context(), pause)
    const loaded = await handle.load(sessionAggregate, 'acme', id)
    expect(loaded).toMatchObject({ revision: 1, state: { status: 'paused' } })
    expect(await handle.load(sessionAggregate, 'acme', randomUUID())).toBeUndefined()
    expect(await handle.load(sessionAggregate, 'other', id)).toBeUndefined()
  })
})

test('who may not know of the aggregate is told so before a repeat is answered', async () => {
  const id = await started()
  const unknown = { refused: 'session_unknown', status: 404, detail: 'none' } as const
  await handle(sessionAggregate, id, context({ key: 'adm' }), pause)
  const outcome = await handle(sessionAggregate, id, context({ key: 'adm' }), pause, () => unknown)
  expect(outcome).toEqual({ kind: 'refused', refusal: unknown, replayed: false })
})

test('a log out of reach fails the command, and the same key is answered once it is back', async () => {
  const id = await started()
  let broken = true
  const failing: EventStore = {
    ...store,
    append: async (stream, events, expected) => {
      const result = await store.append(stream, events, expected)
      if (broken) throw new EventStoreUnavailable('the answer was lost on its way')
      return result
    },
  }
  const node = createHandle({ store: failing, commandKeys: nodes[0]!.keys })
  await expect(node(sessionAggregate, id, context({ key: 'lost' }), pause)).rejects.toThrow('lost on its way')
  broken = false
  const again = accepted(await node(sessionAggregate, id, context({ key: 'lost' }), pause))
  expect(again).toMatchObject({ revision: 1, replayed: true })
  expect(await types(id)).toEqual(['SessionStarted', 'SessionPaused'])
})

test('a hot session takes over a thousand commands a second', async () => {
  const id = await started()
  const from = performance.now()
  const total = 3000
  let next = 0
  const client = async () => {
    while (next < total) {
      const outcome = await handle(sessionAggregate, id, context(), track(next++))
      expect(outcome.kind).toBe('accepted')
    }
  }
  await Promise.all(Array.from({ length: 64 }, client))
  const rate = total / ((performance.now() - from) / 1000)
  console.log(`hot session: ${Math.round(rate)} commands/s`)
  expect(rate).toBeGreaterThan(1000)
})
