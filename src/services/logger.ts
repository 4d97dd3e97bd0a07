import { type DestinationStream, type Logger, pino } from 'pino'
import type { LogLevel } from '../config.ts'

/** What must not be read in a log: secrets, and what people said about themselves. */
const REDACTED = [
  'authorization',
  'cookie',
  'token',
  'ticket',
  'password',
  'secret',
  'jwtSecret',
  'connectionString',
  'data',
  'context',
  'properties',
  'attributes',
  'answers',
  'stepData',
  'email',
  'name',
  'phone',
]

/** Lines of JSON. A request is known by its correlation id alone: its headers, address and body are never written. */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service: 'gangway', pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: REDACTED.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
      censor: '[redacted]',
    },
    serializers: {
      err: withoutSecrets,
      req: (request: { method: string; url: string }) => ({
        method: request.method,
        path: request.url.split('?', 1)[0],
      }),
    },
  }
  return destination ? pino(options, destination) : pino(options)
}

/** An error as it is written: without what libraries attach to it, which may be a query's values or a row. */
function withoutSecrets(error: Error & { code?: unknown }): object {
  // Text from another thread, or whatever else was thrown: writing it down must not be what ends the process.
  if (!(error instanceof Error)) return { type: typeof error, message: withoutPasswords(String(error)) }
  return {
    type: error.name,
    message: withoutPasswords(error.message),
    stack: error.stack && withoutPasswords(error.stack),
    ...(error.code === undefined ? {} : { code: error.code }),
    ...(error.cause instanceof Error ? { cause: withoutSecrets(error.cause) } : {}),
  }
}

const withoutPasswords = (text: string) => text.replaceAll(/\/\/[^\s/@]*@/g, '//[redacted]@')
