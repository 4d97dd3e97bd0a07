import { describe, expect, test } from 'vitest'
import { readHistoryLine, toUtc } from '../../src/domain/historyLine.ts'

const at = '2011-09-30T22:38:44.546Z'

describe('a line of history is one of five kinds', () => {
  test.each([
    [
      { session: 's', step: 'A', at, data: { x: 1 } },
      { type: 'StepCompleted', data: { stepId: 'A', data: { x: 1 } } },
    ],
    [
      { session: 's', step: 'A', at },
      { type: 'StepCompleted', data: { stepId: 'A', data: {} } },
    ],
    [
      { session: 's', signal: 'r7', value: 1, at, properties: { a: 'b' } },
      { type: 'SignalTracked', data: { signal: 'r7', value: 1, properties: { a: 'b' } } },
    ],
    [
      { session: 's', signal: 'r7', at },
      { type: 'SignalTracked', data: { signal: 'r7' } },
    ],
    [
      { session: 's', exposure: { experiment: 'e', variant: 'v' }, at },
      { type: 'ExposureRecorded', data: { experiment: 'e', variant: 'v' } },
    ],
    [
      { session: 's', attributes: { country: 'FR' }, user: 'u', at },
      { type: 'AttributesRecorded', data: { attributes: { country: 'FR' }, userId: 'u' } },
    ],
    [
      { session: 's', attributes: {}, at },
      { type: 'AttributesRecorded', data: { attributes: {} } },
    ],
    [
      { session: 's', status: 'completed', at },
      { type: 'SessionCompleted', data: {} },
    ],
    [
      { session: 's', status: 'abandoned', at },
      { type: 'SessionAbandoned', data: { reason: 'imported' } },
    ],
  ])('%j', (line, event) => {
    expect(readHistoryLine(line)).toEqual({ session: 's', occurredAt: at, event })
  })
})

describe('a bad line is refused with what is wrong', () => {
  test.each([
    [null, 'invalid_line', 'JSON object'],
    [[1], 'invalid_line', 'JSON object'],
    [{ session: 's', at }, 'invalid_line', 'exactly one of step'],
    [{ session: 's', at, step: 'A', signal: 'b' }, 'invalid_line', 'step and signal'],
    [{ session: 's', at, step: 'A', extra: 1 }, 'invalid_line', '/extra is not known here'],
    [{ session: '', at, step: 'A' }, 'invalid_line', '/session'],
    [{ session: '  ', at, step: 'A' }, 'invalid_line', '/session'],
    [{ session: 'a\u0000b', at, step: 'A' }, 'invalid_line', '/session'],
    [{ session: 's'.repeat(201), at, step: 'A' }, 'invalid_line', '/session'],
    [{ session: 's', at, step: 7 }, 'invalid_line', '/step'],
    [{ session: 's', at, signal: 'x', value: '1' }, 'invalid_line', '/value'],
    [{ session: 's', at, status: 'paused' }, 'invalid_line', 'must be "completed" or "abandoned"'],
    [{ session: 's', at: 'yesterday', step: 'A' }, 'invalid_time', 'ISO 8601'],
    [{ session: 's', at: '2011-02-30T00:00:00Z', step: 'A' }, 'invalid_time', 'ISO 8601'],
    [{ session: 's', at: '2011-02-03T25:00:00Z', step: 'A' }, 'invalid_time', 'ISO 8601'],
    [{ session: 's', at: '2011-02-03T10:00:00+99:99', step: 'A' }, 'invalid_time', 'ISO 8601'],
    [{ session: 's', at: '9999-12-31T23:00:00-14:00', step: 'A' }, 'invalid_time', 'ISO 8601'],
    [{ session: 's', at: '0000-01-01T00:00:00+14:00', step: 'A' }, 'invalid_time', 'ISO 8601'],
  ])('%j → %s', (line, code, detail) => {
    expect(readHistoryLine(line)).toMatchObject({ code, detail: expect.stringContaining(detail) })
  })
})

test('times become UTC with milliseconds', () => {
  expect(toUtc('1997-01-01')).toBe('1997-01-01T00:00:00.000Z')
  expect(toUtc('2011-10-01 00:38:44.5461+02:00')).toBe('2011-09-30T22:38:44.546Z')
  expect(toUtc('2011-10-01T00:38+0200')).toBe('2011-09-30T22:38:00.000Z')
  expect(toUtc('2011-10-01T00:38:01+02')).toBe('2011-09-30T22:38:01.000Z')
  expect(toUtc('2011-10-01T00:38:01.123456789012Z')).toBe('2011-10-01T00:38:01.123Z')
  expect(toUtc('2011-10-01T00:38:01')).toBe('2011-10-01T00:38:01.000Z')
})
