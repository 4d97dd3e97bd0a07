import fc from 'fast-check'
import { expect, test } from 'vitest'
import { metadataText } from '../../src/eventStore/metadataText.ts'
import { toEvent } from '../../src/eventStore/storedEvent.ts'

const time = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2040-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())
const name = fc.oneof(fc.string(), fc.constantFrom('a', 'line:x:0', '"', '\\', '","occurredAt":"', '\u2028'))
const metadata = fc.record({
  $causationId: fc.constantFrom('one', 'two'),
  $correlationId: fc.constantFrom('one', 'two"'),
  actor: fc.constantFrom({ id: 'ann', role: 'admin' }, { id: 'b"b\\', role: 'admin' }),
  commandHash: fc.constantFrom('', 'f00'),
  commandId: name,
  occurredAt: fc.oneof(time, name),
  tenant: fc.constantFrom('acme', 'ac"me'),
  v: fc.constantFrom(1, 2),
})

test('metadata is read as it was written, whatever was read before it', () => {
  fc.assert(
    fc.property(fc.array(metadata, { maxLength: 40 }), (all) => {
      for (const one of all) {
        const text = metadataText(one)
        const longer = text.replace('","occurredAt"', '","more":"1","occurredAt"')
        for (const written of [text, longer, text, JSON.stringify(one)])
          expect(read({ metadata: written }).metadata).toEqual({ ...JSON.parse(written), chain: 'c0ffee' })
      }
    }),
  )
})

test('the text of metadata is canonical, whatever was written before it', () => {
  fc.assert(
    fc.property(fc.array(metadata, { maxLength: 40 }), (all) => {
      for (const one of all) {
        const { $causationId, $correlationId, actor, commandHash, commandId, occurredAt, tenant, v } = one
        const sorted = {
          $causationId,
          $correlationId,
          actor,
          commandHash,
          commandId,
          occurredAt,
          tenant,
          v,
        }
        expect(metadataText(one)).toBe(JSON.stringify(sorted))
      }
    }),
  )
})

test('the time of writing is read to the millisecond', () => {
  const times = [
    '2026-11-20 10:00:00.12',
    '2026-11-20 10:00:00',
    '2026-11-20 10:00:00',
    '2026-11-20 10:00:00.001',
  ]
  expect(times.map((recordedAt) => read({ recordedAt }).recordedAt)).toEqual([
    '2026-11-20T10:00:00.120Z',
    '2026-11-20T10:00:00.000Z',
    '2026-11-20T10:00:00.000Z',
    '2026-11-20T10:00:00.001Z',
  ])
})

function read({ metadata = '{}', recordedAt = '2026-11-20 10:00:00' }) {
  return toEvent(['session-t_1', '0', '1', 'id', 'StepStarted', recordedAt, '{}', metadata, 'c0ffee'])
}
