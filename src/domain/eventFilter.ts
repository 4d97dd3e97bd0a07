import Type from 'typebox'

const name = Type.String({ minLength: 1, maxLength: 200 })
const where = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 1000,
    description: 'CEL over the event’s `properties` and the session’s `attributes`',
  }),
)
const exact = { additionalProperties: false }

/** Which events of a session are meant: a completed step, a signal, any event type, or any event at all. */
export const eventFilterSchema = Type.Union([
  Type.Object({ step: name, where }, exact),
  Type.Object({ signal: name, where }, exact),
  Type.Object({ event: name, where }, exact),
  Type.Object({ any: Type.Literal(true), where }, exact),
])

/** ISO 8601 durations of whole weeks, days, hours, minutes and seconds: months and years have no fixed length. */
export const durationSchema = Type.String({
  pattern: '^P(?=.)(\\d{1,6}W|(\\d{1,6}D)?(T(?=\\d)(\\d{1,7}H)?(\\d{1,9}M)?(\\d{1,9}S)?)?)$',
  description: 'ISO 8601 duration, such as P7D or PT12H',
})
