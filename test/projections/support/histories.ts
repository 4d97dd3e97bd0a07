import fc from 'fast-check'
import type { DomainEvent } from '../../../src/domain/envelope.ts'

/** Something that happens to one of a few sessions. */
export interface Happening {
  readonly session: string
  readonly tenant: string
  readonly event: DomainEvent<string, unknown>
  readonly occurredAt: string
}

const stepId = fc.constantFrom('a', 'b', 'c', 'Étape 4\t\\', '__proto__')
const time = fc
  .integer({ min: 0, max: 5_000_000 })
  .map((ms) => new Date(Date.UTC(2024, 1, 28) + ms).toISOString())
const event = <Type extends string>(type: Type, data: fc.Arbitrary<object> = fc.constant({})) =>
  data.map((value) => ({ type, data: value }))
const ofStep = (type: string, more: fc.Arbitrary<object> = fc.constant({})) =>
  event(
    type,
    fc.tuple(stepId, more).map(([id, rest]) => ({ stepId: id, ...rest })),
  )

/** Any event a session can have, valid by its schema, whether or not the rules would allow it then. */
export const sessionEvent: fc.Arbitrary<DomainEvent<string, unknown>> = fc.oneof(
  { weight: 3, arbitrary: ofStep('StepStarted') },
  { weight: 8, arbitrary: ofStep('StepCompleted', fc.record({ data: fc.jsonValue({ maxDepth: 1 }) })) },
  { weight: 2, arbitrary: ofStep('StepSaved', fc.constant({ data: { draft: true } })) },
  { weight: 2, arbitrary: ofStep('StepValidationFailed', fc.constant({ errors: [] })) },
  { weight: 2, arbitrary: ofStep('StepSkipped') },
  ofStep('StepReopened', fc.constant({ estimatedCompletion: '2024-03-01T00:00:00.000Z' })),
  ofStep('ConditionFailed', fc.constant({ message: 'no such key' })),
  event('MilestoneReached', fc.record({ milestone: fc.constantFrom(25, 50, 100) })),
  event('SessionPaused'),
  event('SessionResumed'),
  event('SessionCompleted'),
  event('SessionAbandoned', fc.record({ reason: fc.constantFrom('requested', 'inactivity') })),
  {
    weight: 3,
    arbitrary: event(
      'SignalTracked',
      fc.record(
        {
          signal: fc.constantFrom('opened', 'retention_7'),
          value: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()),
        },
        { requiredKeys: ['signal'] },
      ),
    ),
  },
  event('AttributesRecorded', fc.constant({ attributes: { plan: 'pro' }, userId: 'grace' })),
  event('ExposureRecorded', fc.constant({ experiment: 'e', variant: 'v' })),
  event('SessionMigrated', fc.constant({ from: 1, to: 2, steps: {} })),
)

const begin = fc.record({ imported: fc.boolean(), flowId: fc.constantFrom('welcome', 'loans') })

/** Interleaved histories of up to six sessions in two tenants. */
export const histories = (maxLength: number): fc.Arbitrary<Happening[]> =>
  fc
    .array(
      fc.record({
        session: fc.constantFrom('s1', 's2', 's3'),
        tenant: fc.constantFrom('acme', 'a_b-c'),
        begin,
        event: sessionEvent,
        occurredAt: time,
      }),
      {
        minLength: 1,
        maxLength,
        size: 'max',
      },
    )
    .map((told) => {
      const begun = new Set<string>()
      return told.flatMap(({ session, tenant, begin: { imported, flowId }, event: one, occurredAt }) => {
        const happening = { session, tenant, event: one as DomainEvent<string, unknown>, occurredAt }
        if (begun.has(`${tenant} ${session}`)) return [happening]
        begun.add(`${tenant} ${session}`)
        const data = {
          flowId,
          flowVersion: 1,
          userId: null,
          context: {},
          ...(imported && { imported: true }),
        }
        return [{ ...happening, event: { type: 'SessionStarted', data } }, happening]
      })
    })
