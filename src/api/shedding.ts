import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { FastifyServerOptions } from 'fastify'
import { correlationIdOf } from './correlation.ts'
import type { AppDependencies } from './dependencies.ts'
import { createLoad, type Load } from './load.ts'
import { problemDocument } from './problem.ts'
import { securityHeaders } from './securityHeaders.ts'

const TOLD_EVERY_MS = 1000
/** So many are refused at a turn of the loop. */
const A_TURN = 32
/** So many of those that take long by their nature, whatever else is asked. */
const MOST_LONG = 256

/**
 * What makes the server: one that refuses while more is under way than can be answered in time, and before anything else is done for
 * a request. Whoever is refused is answered by the thread that does the work, so that what a refusal costs decides how much of it is
 * left. Probes and metrics are always answered, and upgrades are no requests.
 */
export function shedOverload(
  { config, logger, metrics }: Pick<AppDependencies, 'config' | 'logger' | 'metrics'>,
  load: Load = createLoad(),
): NonNullable<FastifyServerOptions['serverFactory']> {
  const answer = refusal(config.frontendUrl)
  let refused = 0
  let told = 0
  const refuse = inTurns((request: IncomingMessage, response: ServerResponse) => {
    answer(request, response)
    metrics.httpAnswered('shed', request.method!, 503, 0)
    refused += 1
    // A line for each would cost more than the refusal.
    if (performance.now() - told < TOLD_EVERY_MS) return
    logger.warn({ refused, underWay: load.underWay }, 'overloaded: requests were refused')
    refused = 0
    told = performance.now()
  })
  let long = 0
  return (handle: RequestListener, options) => {
    const server = createServer((request, response) => {
      const url = request.url!
      if (isAboutService(url)) return handle(request, response)
      const takesLong = isLong(url)
      if (load.full || (takesLong && long >= MOST_LONG)) return refuse(request, response)
      if (takesLong) {
        long += 1
        response.once('close', () => {
          long -= 1
        })
      } else count(load, request, response)
      handle(request, response)
    })
    const { keepAliveTimeout, requestTimeout, connectionTimeout } = options as FastifyServerOptions
    server.keepAliveTimeout = keepAliveTimeout!
    server.requestTimeout = requestTimeout!
    server.setTimeout(connectionTimeout)
    return server
  }
}

/**
 * A command takes several turns of the loop, each as long as what is refused in it: so only a few are refused at a turn. Where more are to be
 * refused than there is time for, it is they who wait.
 */
function inTurns(refuse: RequestListener): RequestListener {
  const waiting: Parameters<RequestListener>[] = []
  const turn = () => {
    for (const [request, response] of waiting.splice(0, A_TURN))
      if (!response.closed) refuse(request, response)
    if (waiting.length > 0) setImmediate(turn)
  }
  return (request, response) => {
    if (waiting.push([request, response]) === 1) setImmediate(turn)
  }
}

const isAboutService = (url: string) => url.startsWith('/health/') || url === '/metrics'
/** Says nothing of a queue: an import goes on for as long as it is sent, a query for as long as it has to look or was asked to wait. */
const isLong = (url: string) => /^\/(imports|analytics|audit)\b|[?&]after=/.test(url)

/** To the end of its answer, or of its client; but for the time in which it is waited for, which is its client's business. */
function count(load: Load, request: IncomingMessage, response: ServerResponse): void {
  let ended: ((done: boolean) => void) | undefined = load.begun()
  const end = (done: boolean) => {
    ended?.(done)
    ended = undefined
  }
  response.once('close', () => end(response.writableFinished && response.statusCode !== 503))
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (encoding === undefined && !Number(length)) return
  // Most are here at once, body and all.
  setImmediate(() => {
    if (request.complete || response.closed) return
    end(false)
    request.once('end', () => {
      // What nobody read is read away after the answer.
      if (!response.writableEnded) ended = load.begun()
    })
  })
}

/** The answer, made as far as it can be. */
function refusal(frontendUrl: string | undefined) {
  const document = JSON.stringify(
    problemDocument(
      {
        status: 503,
        code: 'overloaded',
        detail: 'More is asked than can be answered at the moment; try again.',
      },
      '\n',
    ),
  )
  const [before, after] = document.split('"\\n"') as [string, string]
  const headers = { ...securityHeaders, 'content-type': 'application/problem+json', 'retry-after': '1' }
  const toBrowsers = {
    ...headers,
    ...(frontendUrl && { 'access-control-allow-origin': frontendUrl }),
    'access-control-expose-headers': 'retry-after, x-correlation-id',
    vary: 'Origin',
  }
  return (request: IncomingMessage, response: ServerResponse) => {
    const body = before + JSON.stringify(request.url!.split('?', 1)[0]) + after
    const fromBrowser = frontendUrl !== undefined && request.headers.origin === frontendUrl
    response.writeHead(503, {
      ...(fromBrowser ? toBrowsers : headers),
      'x-correlation-id': correlationIdOf(request.headers),
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
  }
}
