import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createLogger } from '../../src/services/logger.ts'

function logged(write: (logger: ReturnType<typeof createLogger>) => void): { text: string; lines: any[] } {
  let text = ''
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  write(createLogger('debug', destination))
  return {
    text,
    lines: text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  }
}

test('a line is JSON with a time, a level in words and what happened', () => {
  const { lines } = logged((logger) => logger.warn({ projection: 'sessions' }, 'behind'))
  expect(lines).toMatchObject([{ level: 'warn', projection: 'sessions', msg: 'behind', service: 'gangway' }])
  expect(lines[0].time).toMatch(/^\d{4}-\d\d-\d\dT/)
})

test('secrets and what people said about themselves are not in it, however deep they lie', () => {
  const { text } = logged((logger) => {
    logger.info({ authorization: 'Bearer s3cret', request: { headers: { authorization: 's3cret' } } })
    logger.info({
      command: { data: { name: 's3cret' }, context: 's3cret' },
      token: 's3cret',
      email: 's3cret',
    })
    logger.info({ event: { data: 's3cret' }, config: { jwtSecret: 's3cret' } })
  })
  expect(text).not.toContain('s3cret')
})

test('an error is written without passwords and without what its library hangs on it', () => {
  const error = Object.assign(new Error('no way to postgres://root:s3cret@db/x'), {
    code: '08006',
    parameters: ['s3cret'],
    where: 's3cret',
    cause: new Error('redis://:s3cret@r'),
  })
  const { text, lines } = logged((logger) => logger.error({ err: error }, 'out'))
  expect(text).not.toContain('s3cret')
  expect(lines[0].err).toMatchObject({ type: 'Error', code: '08006', cause: { type: 'Error' } })
})

test('what is no error is written down too, and ends nothing', () => {
  const { lines } = logged((logger) => {
    logger.warn({ err: 'error: no way to postgres://root:s3cret@db/x' }, 'from a thread')
    logger.warn({ err: { code: 7 } }, 'an object')
    logger.warn({ err: undefined }, 'nothing')
  })
  expect(lines[0].err).toEqual({ type: 'string', message: 'error: no way to postgres://[redacted]@db/x' })
  expect(lines).toHaveLength(3)
})
