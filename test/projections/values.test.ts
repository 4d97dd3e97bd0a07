import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDecimals, decimalOf } from '../../src/projections/decimal.ts'
import { bucketStart, durationBucket } from '../../src/projections/durationBuckets.ts'
import { KeyFilter } from '../../src/projections/keyFilter.ts'
import { isoOfPostgres, postgresOfIso } from '../../src/projections/postgresTime.ts'

describe('decimals', () => {
  test('write what a double stands for', () => {
    expect(decimalOf(1e-7)).toBe('0.0000001')
    expect(decimalOf(1.5e21)).toBe('1500000000000000000000')
    expect(decimalOf(-0.25)).toBe('-0.25')
    expect(decimalOf(100)).toBe('100')
    expect(decimalOf(-0)).toBe('0')
  })

  test('add up exactly, in whatever order', () => {
    expect(addDecimals('0.1', '0.2')).toBe('0.3')
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })), (values) => {
        const sum = (order: readonly number[]) => order.map(decimalOf).reduce(addDecimals, '0')
        expect(sum(values.toReversed())).toBe(sum(values))
      }),
    )
  })

  test('read back as the double they were made of', () =>
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(decimalOf(value)) === value).toBe(true)
      }),
    ))
})

describe('buckets of durations', () => {
  test('hold every duration between their beginning and the next', () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.nat(1000),
          fc.maxSafeNat(),
          fc.nat(52).map((n) => 2 ** n),
          fc.integer({ min: 1, max: 52 }).map((n) => 2 ** n - 1),
        ),
        (duration) => {
          const bucket = durationBucket(duration)
          expect(bucketStart(bucket)).toBeLessThanOrEqual(duration)
          expect(bucketStart(bucket + 1)).toBeGreaterThan(duration)
        },
      ),
    ))

  test('are at most 6.3 % wide', () => {
    for (let bucket = 16; bucket < 700; bucket++)
      expect(bucketStart(bucket + 1) / bucketStart(bucket)).toBeLessThanOrEqual(1.0626)
  })
})

describe('times', () => {
  test.each([
    ['2026-11-20 10:00:00.12+00', '2026-11-20T10:00:00.120Z'],
    ['2026-11-20 10:00:00+00', '2026-11-20T10:00:00.000Z'],
    ['2026-11-20 15:30:00.001+05:30', '2026-11-20T10:00:00.001Z'],
    ['2026-11-20 06:30:00-03:30', '2026-11-20T10:00:00.000Z'],
    ['0001-01-01 00:00:00+00 BC', '0000-01-01T00:00:00.000Z'],
    ['0002-12-31 23:00:00+00 BC', '-000001-12-31T23:00:00.000Z'],
    ['10000-01-01 00:00:00+00', '+010000-01-01T00:00:00.000Z'],
  ])('%s is %s', (postgres, iso) => expect(isoOfPostgres(postgres)).toBe(iso))

  test.each([
    ['2026-11-20T10:00:00.120Z', '2026-11-20T10:00:00.120Z'],
    ['0000-01-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z BC'],
    ['-000001-12-31T23:00:00.000Z', '0002-12-31T23:00:00.000Z BC'],
    ['+010000-01-01T00:00:00.000Z', '10000-01-01T00:00:00.000Z'],
  ])('%s is written as %s', (iso, postgres) => expect(postgresOfIso(iso)).toBe(postgres))
})

test('a filter of keys holds what was added, and hardly anything else', () => {
  const filter = new KeyFilter()
  for (let n = 0; n < 50_000; n++) filter.add(`acme\u0000case-${n}\u0000step_${n % 7}`)
  for (let n = 0; n < 50_000; n++) expect(filter.mayHold(`acme\u0000case-${n}\u0000step_${n % 7}`)).toBe(true)
  let wrong = 0
  for (let n = 50_000; n < 100_000; n++)
    if (filter.mayHold(`acme\u0000case-${n}\u0000step_${n % 7}`)) wrong += 1
  expect(wrong).toBeLessThan(10)
})
