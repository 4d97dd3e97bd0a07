import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type ProblemError, problem } from './problem.ts'
import { JSON_NULL } from './validation.ts'

export const BODY_LIMIT = 1024 * 1024
/** A body past the limit is still read to its end up to here, so that its sender gets to see the answer. */
const DISCARD_LIMIT = 16 * BODY_LIMIT

/**
 * Takes JSON and nothing else. An empty body is no body at all, whatever its content type says. Which texts inside are refused is
 * decided with the shape (hostileText.ts), since that is a fault of input with a pointer.
 */
export function acceptJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request
    if (headers['content-length'] === '0') delete headers['content-type']
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity' && !request.is404)
      return done(problem(415, 'unsupported_encoding', `A body encoded with ${encoding} is not taken.`))
    done()
  })
  app.addContentTypeParser('application/json', (request, payload, done) => {
    if (!isUtf8Declared(request)) return done(unsupportedCharset())
    readBody(payload, Number(request.headers['content-length'] ?? 0), (error, bytes) => {
      if (error) return done(error)
      if (bytes!.length === 0) return done(null, undefined)
      try {
        done(null, parseJson(bytes!))
      } catch (error) {
        done(error as Error)
      }
    })
  })
}

type Read = (error: Error | null, bytes?: Buffer) => void

function readBody(payload: IncomingMessage, declared: number, done: Read): void {
  const chunks: Buffer[] = []
  let length = 0
  const tooLarge = () => length > BODY_LIMIT || declared > BODY_LIMIT
  const settle: Read = (error, bytes) => {
    payload.off('data', onData).off('end', onEnd).off('error', onError).off('aborted', onAborted)
    done(error, bytes)
  }
  const onData = (chunk: Buffer) => {
    length += chunk.length
    if (!tooLarge()) chunks.push(chunk)
    else if (length > DISCARD_LIMIT) {
      payload.pause()
      settle(bodyTooLarge())
    } else chunks.length = 0
  }
  const onEnd = () =>
    tooLarge()
      ? settle(bodyTooLarge())
      : settle(null, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length))
  const onError = (error: Error) => settle(malformed(error.message))
  const onAborted = () => settle(malformed('The request ended before its body did.'))
  payload.on('data', onData).on('end', onEnd).on('error', onError).on('aborted', onAborted)
}

/** @throws ProblemError 400 */
function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw malformed('The body is not UTF-8.')
  try {
    return JSON.parse(bytes.toString('utf8')) ?? JSON_NULL
  } catch (error) {
    throw malformed((error as Error).message)
  }
}

function isUtf8Declared(request: FastifyRequest): boolean {
  const type = request.headers['content-type']!
  if (type.length === 'application/json'.length) return true
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(type)?.[1]
  return charset === undefined || /^utf-?8$/i.test(charset)
}

const malformed = (why: string): ProblemError =>
  problem(400, 'malformed_json', `The body is not valid JSON: ${why}`)

const bodyTooLarge = () => problem(413, 'body_too_large', `A body may have up to ${BODY_LIMIT} bytes.`)

const unsupportedCharset = () =>
  problem(415, 'unsupported_media_type', 'JSON is exchanged in UTF-8 (RFC 8259 §8.1).')
