import { describe, expect, test } from 'vitest'
import { type ConditionFacts, conditionFaults, planCondition } from '../../src/domain/condition.ts'
import type { JsonObject } from '../../src/domain/json.ts'

const steps = new Set(['early', 'late'])
const faultsOf = (source: string) => conditionFaults(source, new Set(['early']), steps)

function judge(source: string, context: unknown = {}, answers: Record<string, unknown> = {}) {
  const facts: ConditionFacts = {
    context: context as JsonObject,
    answers: new Map(Object.entries(answers)),
    profile: {},
    session: { userId: 'ana' },
    pending: (id) => id === 'early',
  }
  return planCondition(source).evaluate(facts)
}
const decided = (value: boolean) => ({ kind: 'decided', value })
const undecided = { kind: 'undecided' }
const failed = (message: string) => ({ kind: 'failed', message })

describe('publishing finds no fault in', () => {
  test.each([
    'answers.early.size > 10 && context.plan == "pro"',
    'has(answers.early) && answers.early.tags.exists(t, t.startsWith("a"))',
    'answers["early"].n in [1, 2, 3]',
    'session.flowVersion > 1 || session.userId == null',
    'timestamp(session.startedAt).getFullYear("Europe/Paris") > 2020',
    'duration("1h") < duration(context.wait)',
    'size(context.list) > 1 && context.list.size() < 9',
    'context.list.all(x, x.list.all(y, y > 1))',
    'context.n + 1 > 2 && context.n * 2.0 == 4.0 && -context.n < 0',
    'context.ok ? context.a : context.b',
    'context.ok ? true : null',
    'string(context.n) == "1" && int("2") == 2 && type(context.n) == double',
    '[1, 2].map(x, x * 2) == [2, 4] && {"a": 1}["a"] == 1 && [true][0]',
    'context.text.matches("^[a-z]+$") && b"a" != b"b" && 1u < 2u',
    '[1].all(answers, answers > 0)',
    'context.constructor == 1 && context.__proto__ == 2',
    'true',
    'null == context.x',
  ])('%s', (source) => expect(faultsOf(source)).toEqual([]))
})

describe('publishing finds', () => {
  test.each([
    ['', 'does not parse: found end of input at column 1'],
    ['a ===', 'does not parse: found = at column 3'],
    ['answers.early.?x == 1', 'does not parse: found . at column 14'],
    ['plan == "pro"', 'unknown variable plan'],
    ['constructor', 'unknown variable constructor'],
    ['__proto__ == 1', 'unknown variable __proto__'],
    ['answers.late.x', 'reads late, which comes no earlier'],
    ['has(answers.late)', 'reads late, which comes no earlier'],
    ['answers["late"].x == 1', 'reads late, which comes no earlier'],
    ['answers.nowhere.x', 'reads nowhere, which is no step'],
    ['"text"', 'results in a string, not in a boolean'],
    ['1 + 2', 'results in an int, not in a boolean'],
    ['1.0', 'results in a double, not in a boolean'],
    ['1u', 'results in a uint, not in a boolean'],
    ['b"a"', 'results in a bytes, not in a boolean'],
    ['null', 'results in a null_type, not in a boolean'],
    ['context', 'results in a map, not in a boolean'],
    ['[true]', 'results in a list, not in a boolean'],
    ['{"a": true}', 'results in a map, not in a boolean'],
    ['session.startedAt', 'results in a string, not in a boolean'],
    ['timestamp(session.startedAt)', 'results in a timestamp, not in a boolean'],
    ['int', 'results in a type, not in a boolean'],
    ['1 == "a"', 'an int is never equal to a string'],
    ['context.ok && "a"', 'a string stands where a boolean is needed'],
    ['1 ? true : false', 'an int stands where a boolean is needed'],
    ['context.ok ? 1 : "a"', 'one branch is an int, the other a string'],
    ['!context', '! does not take (map)'],
    ['context.s.startsWith(3)', 'startsWith does not take (dyn, int)'],
    ['size(1) == 1', 'size does not take (int)'],
    ['size(context.a, context.b) == 1', 'size does not take (dyn, dyn)'],
    ['1 < "a"', '< does not take (int, string)'],
    ['1 in 2', 'in does not take (int, int)'],
    ['nope(1)', 'unknown function nope'],
    ['toString()', 'unknown function toString'],
    ['"a".length == 1', 'a string has no member length'],
    ['1[0] == 1', 'an int has no elements'],
    ['[1]["a"] == 1', 'a list is not indexed by a string'],
    ['1.all(x, true)', 'an int cannot be looped over'],
    ['(1).all(x, x)', 'an int cannot be looped over'],
    ['Foo{a: 1} == context.x', 'no type Foo'],
    ['{?"a": context.x} == {}', 'does not parse: found ? at column 2'],
    ['[?context.x] == []', 'does not parse: found ? at column 2'],
    ['context[?"a"] == 1', 'does not parse: found [ at column 8'],
    ['context.l.all(x, x.all(y, y.all(z, z)))', 'loops are nested deeper than one in another'],
    [
      'context.s.matches("(?=a)")',
      'not a pattern of the RE2 syntax: invalid or unsupported Perl syntax: `(?=`',
    ],
    [`context.s == "${'x'.repeat(1000)}"`, 'longer than 1000 characters'],
    [`${'('.repeat(33)}true${')'.repeat(33)}`, 'brackets nested deeper than 32'],
  ])('%s: %s', (source, fault) => expect(faultsOf(source)).toContain(fault))

  test('everything at once', () =>
    expect(faultsOf('foo && answers.late.x && bar + "a" == 1')).toEqual([
      'unknown variable foo',
      'unknown variable bar',
      'a string is never equal to an int',
    ]))
  test('nothing to evaluate in time, whatever is sent', () => {
    const begun = performance.now()
    for (const text of ['(', '[', '{', '!(', '-(', '{1:', 'a?', 'a.', '"', '1+', '\\']) {
      for (const length of [1, 30, 999]) faultsOf(text.repeat(length).slice(0, 1000))
    }
    expect(performance.now() - begun).toBeLessThan(8000)
  })
})

describe('a condition', () => {
  test('is undecided where it reads an answer not given yet', () => {
    expect(judge('answers.early.n > 1')).toEqual(undecided)
    expect(judge('answers["early"].n > 1')).toEqual(undecided)
    expect(judge('context.missing && answers.early.ok')).toEqual(undecided)
    expect(judge('answers[context.which].ok', { which: 'early' })).toEqual(undecided)
  })
  test('is decided where the rest decides it', () => {
    expect(judge('answers.early.ok || true')).toEqual(decided(true))
    expect(judge('answers.early.ok && false')).toEqual(decided(false))
    expect(judge('!has(answers.early)')).toEqual(decided(true))
    expect(judge('"early" in answers')).toEqual(decided(false))
    expect(judge('size(answers) == 0')).toEqual(decided(true))
    expect(judge('answers.all(id, answers[id].n > 1)', {}, { early: { n: 2 } })).toEqual(decided(true))
  })
  test('fails in every other case, and says how', () => {
    expect(judge('answers.early.n > 1', {}, { early: {} })).toEqual(failed('field not found: n'))
    expect(judge('has(answers.early) || context.missing')).toEqual(failed('field not found: missing'))
    expect(judge('answers[context.which].ok', { which: 'late' })).toEqual(failed('field not found: late'))
    expect(judge('context.text', { text: 'x' })).toEqual(failed('does not result in a boolean'))
    expect(judge('plan == "pro"')).toEqual(failed('unknown variable plan'))
    expect(judge('context.s.matches(context.p)', { s: 'a', p: '(' })).toEqual(
      failed('not a pattern of the RE2 syntax: missing closing ): `(`'),
    )
  })
  test('compares numbers of every kind and computes with them', () => {
    expect(judge('context.n == 3 && 3 == context.n && context.n >= 3 && context.n in [3]', { n: 3 })).toEqual(
      decided(true),
    )
    expect(
      judge(
        'context.n + 1 == 4 && 1 + context.n == 4 && context.n * 2 == 6 && context.n / 2 == 1.5 && context.n - 1 < 3',
        { n: 3 },
      ),
    ).toEqual(decided(true))
    expect(judge('context.n != 4 && context.n < 4 && 4 > context.n && context.n <= 3u', { n: 3 })).toEqual(
      decided(true),
    )
  })
  test('loops over lists and maps', () => {
    expect(judge('context.l.filter(x, x > 1).map(x, x * 2) == [4, 6]', { l: [1, 2, 3] })).toEqual(
      decided(true),
    )
    expect(judge('context.m.exists(k, context.m[k] == 2)', { m: { a: 1, b: 2 } })).toEqual(decided(true))
    expect(judge('[1, 2].map(x, x + 1) + [4] == [2, 3, 4]')).toEqual(decided(true))
    expect(
      judge('([timestamp("2020-01-01T00:00:00Z")] + [])[0] < timestamp("2021-01-01T00:00:00Z")'),
    ).toEqual(decided(true))
    expect(judge('context.l[1] == "b" && context.l[context.i] == "b"', { l: ['a', 'b'], i: 1 })).toEqual(
      decided(true),
    )
    expect(judge('context.l[2] == "b"', { l: ['a', 'b'] })).toMatchObject({ kind: 'failed' })
  })
  test('sees JSON as it is, whatever its members are called', () => {
    const hostile = JSON.parse(
      '{"constructor":5,"$typeName":"x","__proto__":{"z":1},"n":null,"l":[{"constructor":1}],"m":{"a":1}}',
    )
    expect(
      judge('context.constructor == 5 && context["$typeName"] == "x" && context.__proto__.z == 1', hostile),
    ).toEqual(decided(true))
    expect(judge('has(context.n) && context.n == null', hostile)).toEqual(decided(true))
    expect(judge('context.l[0].constructor == 1 && context.l == [{"constructor": 1}]', hostile)).toEqual(
      decided(true),
    )
    expect(judge('context.m == {"a": 1} && context == context && context.m != context', hostile)).toEqual(
      decided(true),
    )
    expect(judge('context.toString == 1', hostile)).toEqual(failed('field not found: toString'))
    expect(judge('has(context.valueOf) || 1 in context', hostile)).toEqual(decided(false))
  })
  test('finds the same of a number before and after it was stored', () => {
    const sent = JSON.parse('{"n":-0,"l":[-0]}')
    for (const context of [sent, JSON.parse(JSON.stringify(sent))])
      expect(judge('1.0 / context.n > 0.0 && 1.0 / context.l[0] > 0.0', context)).toEqual(decided(true))
  })
  test('names the steps it reads', () => {
    expect(planCondition('answers.a.x && answers["b"].y || context.c && answers.a.z').reads).toEqual([
      'a',
      'b',
    ])
    expect(planCondition('nonsense(').reads).toEqual([])
  })
})

describe('whatever it is given, a condition ends soon', () => {
  const large = { list: Array.from({ length: 100_000 }, (_, n) => n), text: 'ab'.repeat(400_000) }
  test.each([
    'context.list.all(x, context.list.all(y, true))',
    'context.list.all(x, x >= 0)',
    'context.list.map(x, x).size() > 1',
    'context.list == context.list',
    'context.list.exists(x, context.text.contains("c"))',
    'context.text.matches("^([ab]*a[ab]{300})+$")',
    'context.list.exists(x, context.list + context.list == [])',
    `["a"]${'.map(x,x+x+x+x+x+x)'.repeat(45)}.size() > 0`,
    `[[1]]${'.map(x,[x,x])'.repeat(22)} == [[1]]${'.map(x,[x,x])'.repeat(22)}`,
    `[[1]]${'.map(x,{1:x,2:x})'.repeat(20)} == [[1]]${'.map(x,{1:x,2:x})'.repeat(20)}`,
    'context.text + context.text == context.text',
    '[context.list].exists(l, l in [context.list])',
  ])('%s', (source) => {
    expect(faultsOf(source)).toEqual([])
    const begun = performance.now()
    expect(judge(source, large)).toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(/^(takes too much work on this data|makes too long a text or list)$/),
    })
    expect(performance.now() - begun).toBeLessThan(8000)
  })
  test('a few thousand elements are no trouble', () => {
    const list = Array.from({ length: 3000 }, (_, n) => n)
    expect(judge('context.list.filter(x, x > 5).size() == 2994', { list })).toEqual(decided(true))
  })
  test('time zones are computed a few at a time', () => {
    const list = Array.from({ length: 5000 }, () => 1)
    const source = 'context.list.all(x, timestamp("2020-01-01T00:00:00Z").getHours("Europe/Paris") == x)'
    expect(judge(source, { list })).toEqual(failed('takes too much work on this data'))
  })
  test('many patterns made of data are compiled anew and forgotten', () => {
    const list = Array.from({ length: 1200 }, (_, n) => `^${n}$`)
    expect(judge('context.list.exists(p, "1199".matches(p))', { list })).toEqual(decided(true))
  })
})
