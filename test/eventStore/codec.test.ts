import { readdirSync, readFileSync } from 'node:fs'
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../src/domain/envelope.ts'
import type { JsonObject } from '../../src/domain/json.ts'
import { canonicalJson } from '../../src/eventStore/canonicalJson.ts'
import { catalogue, dataValidator, personalFields } from '../../src/eventStore/catalogue.ts'
import { chainOf } from '../../src/eventStore/chain.ts'
import { decode, type EventToEncode, encode, InvalidEvent } from '../../src/eventStore/codec.ts'
import { upcasters } from '../../src/eventStore/upcasters.ts'

interface Golden {
  readonly previous: string | null
  readonly event: StoredEvent
  readonly decoded: JsonObject
}

const folder = new URL('golden/', import.meta.url)
const golden = new Map(
  readdirSync(folder).map((file) => [
    file.replace('.json', ''),
    JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Golden,
  ]),
)

describe('every event type and version', () => {
  const versions = [...catalogue.values()].flatMap(({ type, v }) =>
    Array.from({ length: v }, (_, index) => ({ type, v: index + 1 })),
  )

  test.each(versions)('$type v$v has a golden sample that decodes to the current shape', ({ type, v }) => {
    const sample = golden.get(`${type}.v${v}`)
    expect(sample, `test/eventStore/golden/${type}.v${v}.json`).toBeDefined()
    const event = decode(sample!.event)
    expect(event.data).toEqual(sample!.decoded)
    expect(event.metadata.v).toBe(catalogue.get(type)!.v)
    expect(dataValidator(type)!.Check(event.data)).toBe(true)
  })

  test.each(versions)(
    '$type v$v of the golden samples still has the chain it was stored with',
    ({ type, v }) => {
      const { previous, event } = golden.get(`${type}.v${v}`)!
      expect(chainOf(previous ?? undefined, event)).toBe(event.metadata.chain)
    },
  )

  test('no golden sample is of a type or version that is gone', () => {
    expect([...golden.keys()].sort()).toEqual(versions.map(({ type, v }) => `${type}.v${v}`).sort())
  })

  test('upcasters lead from version 1 to the current one without a gap, each taking what its sample holds', () => {
    for (const { type, v } of catalogue.values()) {
      const steps = upcasters[type] ?? []
      expect(steps.map(({ from }) => from)).toEqual(Array.from({ length: v - 1 }, (_, index) => index + 1))
      for (const step of steps)
        expect(Check(step.data, golden.get(`${type}.v${step.from}`)!.event.data)).toBe(true)
    }
  })
})

describe('encoding', () => {
  test('sets the version, and a chain that continues the stream', () => {
    const first = encode('session-t_1', [toEncode('StepStarted', { stepId: 'a' })], 'no_stream')
    const both = encode(
      'session-t_1',
      [toEncode('StepStarted', { stepId: 'a' }), toEncode('SessionCompleted', {})],
      'no_stream',
    )
    const second = encode('session-t_1', [toEncode('SessionCompleted', {})], {
      revision: 0,
      chain: first[0]!.metadata.chain,
    })
    expect([...first, ...second]).toEqual(both)
    expect(both.map(({ metadata }) => metadata.v)).toEqual([1, 1])
    const [a, b] = both.map((event, revision) => ({ ...event, stream: 'session-t_1', revision }))
    expect(chainOf(undefined, a!)).toBe(a!.metadata.chain)
    expect(chainOf(a!.metadata.chain, b!)).toBe(b!.metadata.chain)
  })

  test('the chain covers id, type, stream, revision, data, every metadata field and the link before', () => {
    const [encoded] = encode('session-t_1', [toEncode('StepStarted', { stepId: 'a' })], 'no_stream')
    const event = { ...encoded!, stream: 'session-t_1', revision: 0 }
    const others = [
      { ...event, id: '00000000-0000-4000-8000-000000000002' },
      { ...event, type: 'StepSkipped' },
      { ...event, stream: 'session-t_2' },
      { ...event, revision: 1 },
      { ...event, data: { stepId: 'b' } },
      { ...event, data: { stepId: 'a', more: null } },
      { ...event, metadata: { ...event.metadata, added: 1 } },
      ...Object.keys(event.metadata)
        .filter((name) => name !== 'chain')
        .map((name) => ({ ...event, metadata: { ...event.metadata, [name]: 'changed' } })),
    ]
    for (const other of others) expect(chainOf(undefined, other)).not.toBe(event.metadata.chain)
    expect(chainOf('0'.repeat(64), event)).not.toBe(event.metadata.chain)
    expect(others).toHaveLength(15)
  })

  test.each([
    ['an unknown type', 'SomethingElse', {}],
    ['a missing field', 'StepStarted', {}],
    ['an unknown field', 'StepStarted', { stepId: 'a', more: 1 }],
    ['a lone surrogate', 'StepSaved', { stepId: 'a', data: '\ud800' }],
    ['a number that JSON has not', 'StepSaved', { stepId: 'a', data: Number.NaN }],
    ['nesting beyond the stack', 'StepSaved', { stepId: 'a', data: nested(200_000) }],
  ])('refuses %s', (_, type, data) => {
    expect(() => encode('session-t_1', [toEncode(type, data)], 'no_stream')).toThrow(InvalidEvent)
  })
})

describe('decoding', () => {
  const { event } = golden.get('StepValidationFailed.v2')!

  test('an unknown type passes unchanged', () => {
    const unknown = { ...event, type: 'FromTheFuture' }
    expect(decode(unknown)).toBe(unknown)
  })

  test('a newer version than ours passes unchanged: a newer node wrote it', () => {
    const newer = { ...event, data: { new: true }, metadata: { ...event.metadata, v: 3 } }
    expect(decode(newer)).toBe(newer)
  })
})

test('personal fields are found wherever a schema marks them', () => {
  const personal = Type.String({ 'x-personal': true })
  const schema = Type.Object({
    step: Type.String(),
    'a/b': personal,
    people: Type.Array(Type.Object({ mail: personal, role: Type.String() })),
    answers: Type.Record(Type.String(), personal),
    contact: Type.Union([Type.Object({ phone: personal }), Type.Null()]),
    profile: Type.Object({ first: Type.String() }, { 'x-personal': true }),
  })
  const found = ['/a~1b', '/people/*/mail', '/answers/*', '/contact/phone', '/profile']
  expect(personalFields(schema)).toEqual(found)
})

test('canonical JSON is what the canonicalize package makes of any value', () => {
  const key = fc.oneof(
    fc.string(),
    fc.constantFrom('__proto__', '10', '9', 'b', 'a', '€', '\u0000', '😂', 'ﬁ'),
  )
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: 'binary' }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
  }))
  fc.assert(
    fc.property(value, (any) => {
      expect(outcome(() => canonicalJson(any))).toEqual(outcome(() => canonicalize(any)))
    }),
    { numRuns: 3000 },
  )
})

function outcome(work: () => string | undefined): string | undefined {
  try {
    return work()
  } catch {
    return 'refused'
  }
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

function toEncode(type: string, data: unknown): EventToEncode {
  return {
    id: '00000000-0000-4000-8000-000000000001',
    event: { type, data },
    metadata: {
      tenant: 't',
      actor: { id: 'ada', role: 'participant' },
      commandId: 'c',
      commandHash: 'h',
      $correlationId: 'r',
      $causationId: 'c',
      occurredAt: '2026-11-20T09:00:00.000Z',
    },
  }
}
