import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseColumnMap } from '../../src/commands/import/csvRow.ts'
import { LineLedger } from '../../src/commands/import/lineLedger.ts'
import { type InputLine, LineSplitter } from '../../src/commands/import/lineSplitter.ts'
import { prepareLine } from '../../src/commands/import/prepareLine.ts'

function split(portions: readonly Buffer[], maxBytes = 1000): InputLine[] {
  const splitter = new LineSplitter(maxBytes)
  return [...portions.flatMap((portion) => splitter.push(portion)), ...splitter.end()]
}

describe('lines come out the same however the bytes arrive', () => {
  test('whatever the portions', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 12 })),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (texts, sizes) => {
          const bytes = Buffer.from(texts.map((text) => text.replaceAll('\n', ' ')).join('\n'))
          const portions: Buffer[] = []
          for (let start = 0, next = 0; start < bytes.length; next++) {
            const size = sizes[next % sizes.length]!
            portions.push(bytes.subarray(start, start + size))
            start += size
          }
          expect(split(portions)).toEqual(split([bytes]))
        },
      ),
    )
  })

  test('blank lines are numbered and not given, a byte-order mark is dropped, a last line needs no break', () => {
    expect(split([Buffer.from('\uFEFFa\r\n\n  \nb')])).toEqual([
      { number: 1, text: 'a\r' },
      { number: 4, text: 'b' },
    ])
  })

  test('a line over the limit and one that is not UTF-8 are reported, and those around them given', () => {
    const bytes = Buffer.concat([
      Buffer.from(`a\n${'x'.repeat(11)}\n`),
      Buffer.from([0xff, 0x0a]),
      Buffer.from(`b\n${'y'.repeat(11)}\nc`),
    ])
    const expected = [
      { number: 1, text: 'a' },
      { number: 2, fault: 'line_too_long' },
      { number: 3, fault: 'invalid_utf8' },
      { number: 4, text: 'b' },
      { number: 5, fault: 'line_too_long' },
      { number: 6, text: 'c' },
    ]
    expect(split([bytes], 10)).toEqual(expected)
    expect(
      split(
        [...bytes].map((byte) => Buffer.from([byte])),
        10,
      ),
    ).toEqual(expected)
  })

  test('the limit is in bytes, not in characters', () => {
    expect(split([Buffer.from('éééé\né\n')], 7)).toEqual([
      { number: 1, fault: 'line_too_long' },
      { number: 2, text: 'é' },
    ])
  })
})

describe('the ledger numbers equal lines of a session', () => {
  test('also when what it holds outgrows memory many times over', () => {
    const ledger = new LineLedger(64)
    const seen = new Map<string, number>()
    for (let line = 0; line < 5000; line++) {
      const session = `s${line % 7}`
      const content = `c${(line * line) % 501}`
      const key = `${session} ${content}`
      expect(ledger.next(session, content).before).toBe(seen.get(key) ?? 0)
      seen.set(key, (seen.get(key) ?? 0) + 1)
    }
    ledger.close()
  })

  test('the same content in another session is another line', () => {
    const ledger = new LineLedger(64)
    const lines = [ledger.next('a', 'x'), ledger.next('b', 'x'), ledger.next('a', 'x')]
    expect(lines.map(({ before }) => before)).toEqual([0, 0, 1])
    expect(new Set(lines.map(({ digest }) => digest)).size).toBe(2)
    ledger.close()
  })
})

describe('a line that could not be kept faithfully is reported with why', () => {
  test.each([
    ['nested more than 64 levels', `{"a":${'['.repeat(63)}${']'.repeat(63)}}`],
    ['nested more than 64 levels', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['past what a double holds', '{"a":1e999}'],
    ['well-formed Unicode', '{"a":"\\ud800"}'],
  ])('%s', (detail, data) => {
    const text = `{"session":"s","step":"A","at":"2020-01-01","data":${data}}`
    expect(prepareLine({ number: 3, text }, new LineLedger(16))).toEqual({
      line: 3,
      code: 'invalid_line',
      detail: expect.stringContaining(detail),
    })
  })

  test('as deep as a request may be is not too deep', () => {
    const text = `{"session":"s","step":"A","at":"2020-01-01","data":{"a":${'['.repeat(62)}${']'.repeat(62)}}}`
    expect(prepareLine({ number: 3, text }, new LineLedger(16))).toHaveProperty('id')
  })
})

describe('a map of columns', () => {
  test('has names with commas in quotes', () => {
    expect({ ...parseColumnMap('session=id, step="what, when" ,at=a=b') }).toEqual({
      session: 'id',
      step: 'what, when',
      at: 'a=b',
    })
  })

  test.each([
    ['', 'must be field=column'],
    ['session=id,,at=a', 'must be field=column'],
    ['session=id,at=a,', 'must be field=column'],
    ['session=id', '"at" must be mapped'],
    ['session=id,at=a,at=b', 'mapped twice'],
  ])('%j is refused', (text, fault) => {
    expect(parseColumnMap(text)).toEqual({ fault: expect.stringContaining(fault) })
  })
})
