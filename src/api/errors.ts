import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { CommandTooLarge } from '../commands/streamQueue.ts'
import { InvalidEvent } from '../eventStore/codec.ts'
import { EventStoreUnavailable } from '../eventStore/eventStore.ts'
import { type Problem, ProblemError, problemDocument, sendProblem } from './problem.ts'

/** The one place where what was thrown becomes a problem document. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: Error, request, reply) => {
    const answer = isMediaType(error) ? otherMediaType(request) : problemOf(error)
    if (answer.status >= 500)
      request.log[answer.status === 500 ? 'error' : 'warn']({ err: error }, answer.code)
    else if (error instanceof InvalidEvent)
      request.log.error({ err: error }, 'an event that cannot be recorded')
    return sendProblem(request, reply, answer)
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, {
      status: 404,
      code: 'route_unknown',
      detail: `There is no ${request.method} ${request.url.split('?', 1)[0]}.`,
    }),
  )
}

function problemOf(error: Error): Problem {
  if (error instanceof ProblemError) return error.problem
  if (error instanceof EventStoreUnavailable)
    return unavailable('log_unavailable', 'The log cannot be reached; nothing is lost, try again.')
  if (isDatabaseOutage(error))
    return unavailable('database_unavailable', 'The database cannot be reached; try again.')
  if (error instanceof CommandTooLarge)
    return { status: 413, code: 'command_too_large', detail: 'What this would record is more than 1 MiB.' }
  if (error instanceof InvalidEvent) return { status: 422, code: 'not_recordable', detail: error.message }
  return frameworkProblem(error as FastifyError)
}

const unavailable = (code: string, detail: string): Problem => ({
  status: 503,
  code,
  detail,
  headers: { 'retry-after': '1' },
})

const codes: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_BAD_URL: 'malformed_url',
}

const isMediaType = (error: Error) => (error as FastifyError).code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE'

function otherMediaType({ routeOptions: { schema }, headers }: FastifyRequest): Problem {
  const { consumes = ['application/json'] } = (schema ?? {}) as { consumes?: readonly string[] }
  const detail = `The body must be ${consumes.join(' or ')}, not ${headers['content-type'] ?? 'of no type'}.`
  return { status: 415, code: 'unsupported_media_type', detail }
}

/** What Fastify itself refuses keeps its status; anything else is ours to mend. */
export function frameworkProblem(error: FastifyError): Problem {
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500)
    return { status, code: codes[error.code] ?? 'bad_request', detail: error.message }
  if (error.code === 'FST_ERR_SERVICE_UNAVAILABLE' || status === 503)
    return unavailable('shutting_down', 'This node is going down; another one will answer.')
  return { status: 500, code: 'internal_error', detail: 'Something went wrong here. It has been noted.' }
}

/** PostgreSQL classes 08 (connection), 53 (resources), 57P0x (shutdown), and the socket's own errors. */
export function isDatabaseOutage(error: Error): boolean {
  const { code, message } = error as Error & { code?: unknown }
  if (typeof code === 'string')
    return /^(08...|53...|57P0.|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOENT|EHOSTUNREACH|ENOTFOUND)$/.test(
      code,
    )
  return /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client has encountered a connection)/.test(
    message,
  )
}

/** What is no HTTP at all, or has headers past 16 KiB. */
export function answerRawErrors(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const answer: Problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? { status: 431, code: 'headers_too_large', detail: 'The URL and headers may have 16 KiB.' }
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? { status: 408, code: 'request_timeout', detail: 'The request did not come to its end in time.' }
        : { status: 400, code: 'malformed_request', detail: 'The request is not valid HTTP.' }
  const { title, ...rest } = problemDocument(answer, '') as { title: string }
  const body = JSON.stringify({ title, ...rest })
  socket.end(
    `HTTP/1.1 ${answer.status} ${title}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
