import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from '../../src/eventStore/canonicalJson.ts'
import { encode, InvalidEvent, type StreamPlace } from '../../src/eventStore/codec.ts'
import { EncodedEvent } from '../../src/eventStore/encodedEvent.ts'
import { SharedEncoder } from '../../src/eventStore/sharedEncoder.ts'

const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('ä"\\', '😂', 'x'.repeat(9000)))
const line = fc.record({
  step: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  answer: text,
  commandId: fc.stringMatching(/^line:[\w-]{27}:\d$/),
  occurredAt: fc.constantFrom('2011-09-30T22:38:44.546Z', '1999-01-01T00:00:00.000Z'),
})
const places: fc.Arbitrary<StreamPlace> = fc.constantFrom<StreamPlace[]>('no_stream', {
  revision: 7,
  chain: 'c'.repeat(64),
})

test('many events that share their metadata are encoded as each of them alone', () => {
  fc.assert(
    fc.property(
      fc.record({ tenant: text, actor: fc.record({ id: text, role: text }), $correlationId: text }),
      text,
      places,
      fc.array(line, { minLength: 1, maxLength: 5 }),
      (who, session, after, lines) => {
        const shared = { ...who, commandHash: 'h', $causationId: 'i' }
        const stream = `session-acme_${session}`
        const events = lines.map(({ step, answer, ...own }) => {
          const data = { data: { answer }, stepId: step }
          return { id: randomUUID(), type: 'StepCompleted', data, dataText: canonicalJson(data), ...own }
        })
        const encoder = new SharedEncoder(shared)
        encoder.begin(stream, after)
        const made = events.map((event) => encoder.next(event))
        const wanted = encode(
          stream,
          events.map(({ id, type, data, dataText, commandId, occurredAt }) => ({
            id,
            event: { type, data },
            metadata: { ...shared, commandId, occurredAt },
            dataText,
          })),
          after,
        )
        const texts = (event: (typeof wanted)[number]) => [
          EncodedEvent.dataText(event),
          EncodedEvent.metadataText(event),
        ]
        expect(made).toEqual(wanted)
        expect(made.map(texts)).toEqual(wanted.map(texts))
        expect(encoder.place).toEqual({
          revision: (after === 'no_stream' ? -1 : after.revision) + events.length,
          chain: wanted.at(-1)!.metadata.chain,
        })
      },
    ),
  )
})

test('what does not fit its schema is refused', () => {
  const encoder = new SharedEncoder({
    tenant: 't',
    actor: { id: 'ada', role: 'admin' },
    commandHash: 'h',
    $correlationId: 'r',
    $causationId: 'c',
  })
  encoder.begin('session-t_1', 'no_stream')
  const event = { id: randomUUID(), commandId: 'c', occurredAt: '2011-09-30T22:38:44.546Z' }
  const wrong = () => encoder.next({ ...event, type: 'StepCompleted', data: {}, dataText: '{}' })
  expect(wrong).toThrow(InvalidEvent)
  expect(wrong).toThrow('StepCompleted does not fit its schema')
})
