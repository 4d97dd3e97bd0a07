import fastifyCors from '@fastify/cors'
import { type FastifyInstance, fastify, LogController } from 'fastify'
import { requireTokens } from './authHook.ts'
import { correlationIdOf } from './correlation.ts'
import type { AppDependencies } from './dependencies.ts'
import { answerErrors, answerRawErrors, frameworkProblem } from './errors.ts'
import { acceptJsonBodies, BODY_LIMIT } from './jsonBody.ts'
import { sendProblem } from './problem.ts'
import { validatorCompiler } from './validation.ts'

/**
 * The HTTP service, built and not yet listening. The order of checks is the order of hooks: who (401), how often (429), may they
 * (403), what kind of body (415, 413), is it JSON (400), has it the right shape (422); the handler sees to the rest.
 */
export async function buildApp(deps: AppDependencies): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'correlationId' }),
    bodyLimit: BODY_LIMIT,
    genReqId: (request) => correlationIdOf(request.headers),
    routerOptions: { maxParamLength: 2000, ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => {
      sendProblem(request, reply, frameworkProblem(error))
    },
    clientErrorHandler: answerRawErrors,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
  }) as unknown as FastifyInstance

  app.setValidatorCompiler(validatorCompiler)
  // Answers are made by this program; their schemas are documentation and no filter.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  answerErrors(app)
  if (deps.config.frontendUrl)
    await app.register(fastifyCors, {
      origin: [deps.config.frontendUrl],
      exposedHeaders: ['etag', 'gangway-position', 'idempotent-replayed', 'retry-after', 'x-correlation-id'],
      maxAge: 600,
    })
  requireTokens(app, deps)
  acceptJsonBodies(app)
  return app
}
