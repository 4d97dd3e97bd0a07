import type { FastifyInstance } from 'fastify'
import type { AppDependencies } from './dependencies.ts'

/** Counts and times every answer, and writes a line for those that went wrong; at `debug` for every one. */
export function measure(app: FastifyInstance, { metrics }: Pick<AppDependencies, 'metrics'>): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { statusCode, elapsedTime } = reply
    const route = request.routeOptions.url ?? 'unknown'
    metrics.httpAnswered(route, request.method, statusCode, elapsedTime / 1000)
    const line = { method: request.method, route, status: statusCode, ms: Math.round(elapsedTime * 10) / 10 }
    if (statusCode >= 500) request.log.warn(line, 'answered')
    else request.log.debug(line, 'answered')
    done()
  })
}
