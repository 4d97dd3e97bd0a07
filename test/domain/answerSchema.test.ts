import { describe, expect, test } from 'vitest'
import { planAnswerSchema } from '../../src/domain/answerSchema.ts'
import { answerSchemaFaults } from '../../src/domain/answerSchemaFaults.ts'
import type { Schema } from '../../src/domain/schemaTree.ts'

const faultsOf = (schema: unknown) => answerSchemaFaults(schema as Schema, '/steps/0/schema')
const check = (schema: unknown, data: unknown) => planAnswerSchema(schema as Schema).faults(data)
const pointers = (schema: unknown, data: unknown) => check(schema, data).map(({ pointer }) => pointer)
const list = <T>(length: number, item: (n: number) => T) => Array.from({ length }, (_, n) => item(n))
const inTime = (limit: number, work: () => void) => {
  const begun = performance.now()
  work()
  expect(performance.now() - begun).toBeLessThan(limit)
}

const company = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'https://tenant.example/company',
  type: 'object',
  required: ['name', 'size'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', minLength: 2, 'x-personal': true },
    size: { enum: ['small', 'large'] },
    site: { type: 'string', format: 'uri' },
    'a/b~c': { type: 'integer' },
    tags: { type: 'array', uniqueItems: true, items: { $ref: '#/$defs/tag' } },
  },
  $defs: { tag: { type: 'string', pattern: '^[a-z]+$' } },
  if: { required: ['size'], properties: { size: { const: 'large' } } },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: { required: ['site'] },
}

describe('an answer', () => {
  test('that fits has no faults', () => {
    expect(faultsOf(company)).toEqual([])
    expect(check(company, { name: 'Acme', size: 'small', tags: ['a', 'b'] })).toEqual([])
  })
  test('has all its faults named at once, where they are', () => {
    expect(
      check(company, { name: 'A', size: 'huge', extra: 1, 'a/b~c': 1.5, tags: ['a', 'a', 'B'] }),
    ).toEqual([
      { pointer: '/data/extra', detail: 'must NOT have additional properties' },
      { pointer: '/data/name', detail: 'must NOT have fewer than 2 characters' },
      { pointer: '/data/size', detail: 'must be equal to one of the allowed values: ["small","large"]' },
      { pointer: '/data/a~1b~0c', detail: 'must be integer' },
      { pointer: '/data/tags/2', detail: 'must match pattern "^[a-z]+$"' },
      { pointer: '/data/tags', detail: 'must NOT have duplicate items' },
    ])
  })
  test('points at what is missing, conditions of the schema included', () => {
    expect(pointers(company, {})).toEqual(['/data/name', '/data/size'])
    expect(check(company, { name: 'Acme', size: 'large' })).toEqual([
      { pointer: '/data/site', detail: "must have required property 'site'" },
    ])
  })
  test('points at members that are too many, or badly named', () => {
    expect(
      pointers({ unevaluatedProperties: false, allOf: [{ properties: { a: true } }] }, { a: 1, b: 2 }),
    ).toEqual(['/data/b'])
    expect(pointers({ propertyNames: { maxLength: 1 } }, { long: 1 })).toContain('/data/long')
  })
  test.each([null, 7, 'text', [], true])('%j is no object', (data) =>
    expect(check(company, data)).toEqual([{ pointer: '/data', detail: 'must be object' }]),
  )
  test('is never coerced, filled in or stripped', () => {
    const schema = { properties: { n: { type: 'integer', default: 3 } }, additionalProperties: true }
    expect(pointers(schema, { n: '7' })).toEqual(['/data/n'])
    const data = { other: 1 }
    check(schema, data)
    expect(data).toEqual({ other: 1 })
  })
  test('has only the members that are its own', () => {
    expect(pointers({ required: ['constructor', 'toString'] }, {})).toEqual([
      '/data/constructor',
      '/data/toString',
    ])
    expect(pointers(company, JSON.parse('{"name":"Acme","size":"small","__proto__":{"x":1}}'))).toEqual([
      '/data/__proto__',
    ])
  })
  test('is equal to another whatever the order of its members', () => {
    expect(
      pointers({ uniqueItems: true }, [
        { a: 1, b: [2] },
        { b: [2], a: 1 },
      ]),
    ).toEqual(['/data'])
    expect(pointers({ uniqueItems: true }, [{ a: 1, b: [2] }, { b: [3], a: 1 }, 1, '1', null, [1]])).toEqual(
      [],
    )
    expect(pointers({ uniqueItems: false }, [1, 1])).toEqual([])
  })
  test('of a schema that is true or false', () => {
    expect(check(true, 1)).toEqual([])
    expect(pointers(false, 1)).toEqual(['/data'])
  })
  test('names at most 100 faults, each once', () => {
    const schema = { items: { anyOf: list(5, () => ({ type: 'string' })) } }
    expect(check(schema, [1])).toHaveLength(2)
    expect(
      check(
        schema,
        list(1000, () => 1),
      ),
    ).toHaveLength(100)
  })
  test('different patterns are not mistaken for each other', () => {
    const schema = { properties: { a: { pattern: '^a' }, b: { pattern: '^b' } } }
    expect(pointers(schema, { a: 'b', b: 'b' })).toEqual(['/data/a'])
  })
  test('long lists of allowed values are not repeated', () =>
    expect(check({ enum: list(200, (n) => n) }, -1)[0]!.detail).toBe(
      'must be equal to one of the allowed values',
    ))
  test('a constant is named', () =>
    expect(check({ const: 1 }, 2)[0]!.detail).toBe('must be equal to constant: 1'))
})

describe('formats', () => {
  test.each([
    ['email', 'ana@example.com', 'ana@'],
    ['date', '2026-02-28', '2026-02-30'],
    ['date-time', '2026-02-28T10:00:00Z', '2026-02-28'],
    ['uri', 'https://example.com/a', 'example'],
    ['url', 'https://example.com/a', 'ftp:/x y'],
    ['regex', '^a+$', '('],
    ['uuid', '00000000-0000-4000-8000-000000000000', '1'],
    ['ipv4', '10.0.0.1', '10.0.0.256'],
  ])('%s', (format, good, bad) => {
    expect(check({ format }, good)).toEqual([])
    expect(check({ format }, bad)).toEqual([{ pointer: '/data', detail: `must match format "${format}"` }])
  })
  test('of numbers, and none at all', () => {
    expect(pointers({ format: 'int32' }, 2 ** 40)).toEqual(['/data'])
    expect(check({ format: 'password' }, 'x')).toEqual([])
    expect(check({ format: 'phone' }, 'x')).toEqual([])
  })
})

describe('a schema is refused that', () => {
  test.each<[string, unknown, string, string | RegExp]>([
    ['is no JSON Schema', { properties: { a: { type: 'strin' } } }, '/properties/a/type', /must be/],
    ['is of another draft', { $schema: 'http://json-schema.org/draft-07/schema#' }, '/$schema', /2020-12/],
    ['has items of an earlier draft', { items: [{}] }, '/items', /must be/],
    ['reaches outside', { $ref: 'https://example.com/schema' }, '/$ref', /outside/],
    ['reaches a file', { properties: { a: { $ref: 'other.json#/a' } } }, '/properties/a/$ref', /outside/],
    ['refers to nothing', { $ref: '#/$defs/a' }, '/$ref', /nothing/],
    ['refers to what cannot be read', { $ref: '#/%zz' }, '/$ref', /nothing/],
    ['refers to what is no schema', { 'x-a': { type: 'string' }, $ref: '#/x-a' }, '/$ref', /nothing/],
    ['refers to itself', { properties: { a: { $ref: '#' } } }, '', /itself/],
    [
      'refers to itself by an anchor',
      { $defs: { a: { $anchor: 'x', items: { $ref: '#x' } } }, $ref: '#x' },
      '',
      /itself/,
    ],
    ['changes its meaning as it runs', { $dynamicRef: '#x' }, '/$dynamicRef', /not taken/],
    ['is asynchronous', { properties: { a: { $async: true } } }, '/properties/a/$async', /not taken/],
    ['has an id of old', { id: 'x' }, '/id', /not taken/],
    ['has ids inside', { properties: { a: { $id: 'https://a' } } }, '/properties/a/$id', /inside/],
    ['has one anchor twice', { $defs: { a: { $anchor: 'x' }, b: { $anchor: 'x' } } }, '', /more than one/],
    ['looks around', { pattern: '(?=a)' }, '/pattern', /RE2/],
    ['looks back', { properties: { a: { pattern: '(a)\\1' } } }, '/properties/a/pattern', /RE2/],
    [
      'names members by a bad pattern',
      { patternProperties: { '(/~': true } },
      '/patternProperties/(~1~0',
      /RE2/,
    ],
    ['repeats too much', { pattern: '(a{100}){100}' }, '/pattern', /repeat/],
    ['repeats nothing too much', { pattern: '(){1000}' }, '/pattern', /repeats too much/],
    ['has an endless pattern', { pattern: 'a'.repeat(1001) }, '/pattern', /1000/],
    ['is too long', { description: 'x'.repeat(65_536) }, '', /bytes/],
    ['is too deep', list(70, () => 0).reduce<unknown>((inner) => ({ not: inner }), true), '', /deeper/],
    [
      'is too large',
      { properties: Object.fromEntries(list(1000, (n) => [`p${n}`, { type: 'string' }])) },
      '',
      /unfolds/,
    ],
    [
      'has too many patterns',
      { patternProperties: Object.fromEntries(list(101, (n) => [`p${n}`, true])) },
      '/patternProperties',
      /100/,
    ],
    [
      'makes too much depend',
      { dependentRequired: { a: list(101, (n) => `x${n}`) } },
      '/dependentRequired/a',
      /100/,
    ],
    [
      'makes too much depend, as of old',
      { dependencies: { a: list(101, (n) => `x${n}`), b: {} } },
      '/dependencies/a',
      /100/,
    ],
    [
      'names a property __proto__',
      JSON.parse('{"properties":{"__proto__":{"type":"string"}}}'),
      '/properties/__proto__',
      /__proto__/,
    ],
    ['requires __proto__', { required: ['__proto__'] }, '/required', /__proto__/],
  ])('%s', (_, schema, place, detail) => {
    const faults = faultsOf(schema)
    expect(faults.map(({ pointer }) => pointer)).toContain(`/steps/0/schema${place}`)
    expect(faults.find(({ pointer }) => pointer === `/steps/0/schema${place}`)!.detail).toMatch(detail)
  })

  test('would unfold without end', () => {
    const $defs = Object.fromEntries(
      list(41, (n) => [
        `a${n}`,
        n === 40 ? true : { anyOf: [{ $ref: `#/$defs/a${n + 1}` }, { $ref: `#/$defs/a${n + 1}` }] },
      ]),
    )
    inTime(8000, () =>
      expect(faultsOf({ $defs, $ref: '#/$defs/a0' })[0]!.detail).toMatch(/unfolds to \d+ values/),
    )
  })
  test('all its faults at once', () =>
    expect(faultsOf({ $ref: 'x', properties: { a: { pattern: '(' }, b: { $async: true } } })).toHaveLength(3))
})

describe('a schema is taken that', () => {
  test.each<[string, unknown]>([
    ['is true', true],
    ['lists many values', { enum: list(3000, (n) => n) }],
    [
      'uses the keywords of earlier drafts',
      { definitions: { a: { type: 'string' } }, $ref: '#/definitions/a', dependencies: { a: ['b'] } },
    ],
    [
      'refers by escapes',
      { $defs: { 'a b': true, 'c/d': true }, allOf: [{ $ref: '#/$defs/a%20b' }, { $ref: '#/$defs/c~1d' }] },
    ],
    ['refers by anchor', { $defs: { a: { $anchor: 'x' } }, items: { $ref: '#x' } }],
    [
      'carries notes',
      { 'x-ui': { $ref: 'anything' }, examples: [{ $id: 'x' }], format: 'phone', const: { $ref: '#/no' } },
    ],
    [
      'has members that look like code',
      { properties: { 'a"];throw 1;//': { const: '`"\\' } }, required: ['"];throw 1;//'] },
    ],
  ])('%s', (_, schema) => expect(faultsOf(schema)).toEqual([]))

  test('code in names is data', () => {
    const schema = { properties: { 'a"];throw 1;//': { const: '`"\\' } }, required: ['"];throw 1;//'] }
    expect(check(schema, { '"];throw 1;//': 1, 'a"];throw 1;//': '`"\\' })).toEqual([])
  })
})

describe('whatever is submitted, checking it ends soon', () => {
  test('deep', () => {
    const deep = list(100_000, () => 0).reduce<unknown>((inner) => [inner], 1)
    inTime(8000, () => expect(check(true, deep)[0]!.detail).toMatch(/deeper/))
  })
  test('wide', () => {
    const schema = { items: { anyOf: list(200, () => ({ type: 'string' })) } }
    inTime(8000, () =>
      expect(
        check(
          schema,
          list(400_000, () => 0),
        )[0]!.detail,
      ).toMatch(/too large/),
    )
  })
  test('wide and wrong everywhere: then it may name the first fault only', () => {
    const schema = { items: { anyOf: list(20, () => ({ type: 'string' })) } }
    inTime(8000, () =>
      expect(
        check(
          schema,
          list(100_000, () => 0),
        ),
      ).toHaveLength(2),
    )
  })
  test('made for a pattern', () => {
    const schema = { items: { pattern: '^([ab]*a[ab]{300})+$' } }
    inTime(8000, () =>
      expect(
        check(
          schema,
          list(20, () => 'ab'.repeat(25_000)),
        ),
      ).not.toEqual([]),
    )
  })
  test('longer than its patterns may take: the rest does not match', () => {
    const texts = list(6, () => 'a'.repeat(500_000))
    const faults = check({ items: { pattern: '^a+$' } }, texts)
    expect(faults.length).toBeGreaterThan(0)
    expect(faults.length).toBeLessThan(6)
    expect(check({ items: { pattern: '^a+$' } }, texts.slice(0, 1))).toEqual([])
  })
  test('made for a format', () => {
    const texts = list(500, () => `a@${'a.'.repeat(1020)}`)
    inTime(8000, () => expect(check({ items: { format: 'email' } }, texts)).not.toEqual([]))
    inTime(8000, () =>
      expect(check({ items: { format: 'date' } }, ['2026-01-01'.repeat(1000)])).toHaveLength(1),
    )
  })
  test('many different things', () => {
    inTime(8000, () =>
      expect(
        check(
          { uniqueItems: true },
          list(50_000, (n) => ({ n })),
        ),
      ).toEqual([]),
    )
  })
})
