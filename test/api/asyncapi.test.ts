import schema from '@asyncapi/specs/schemas/3.0.0.json' with { type: 'json' }
import { Ajv } from 'ajv'
import { expect, test } from 'vitest'
import { asyncApiDocument } from '../../src/api/asyncapi.ts'

const document = asyncApiDocument({ version: '1.2.3', host: 'localhost:3000' })

test('the AsyncAPI document is valid by the schema of AsyncAPI 3.0', () => {
  const validate = new Ajv({
    strict: false,
    validateFormats: false,
    meta: false,
    validateSchema: false,
    logger: false,
  }).compile(schema)
  expect([validate(JSON.parse(JSON.stringify(document))), validate.errors]).toEqual([true, null])
})

test('it names every frame of the socket, and only frames of events have a seq', () => {
  const { messages } = document.components as {
    messages: Record<string, { payload: { required: string[] } }>
  }
  const withSeq = Object.keys(messages).filter((name) => messages[name]!.payload.required.includes('seq'))
  expect(document.operations.receive.messages).toHaveLength(4)
  expect(withSeq.sort()).toEqual([
    'connection_test_result',
    'milestone_reached',
    'onboarding_completed',
    'session_event',
    'step_completed',
    'validation_error',
  ])
  expect(Object.keys(messages)).toEqual(
    expect.arrayContaining([
      'connected',
      'joined',
      'progress_update',
      'resync_required',
      'error',
      'authenticate',
      'join_session',
      'leave_session',
      'get_progress',
    ]),
  )
})
