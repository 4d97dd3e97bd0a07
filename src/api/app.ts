import fastifyCors from '@fastify/cors'
import { type FastifyInstance, type FastifyPluginAsync, fastify, LogController } from 'fastify'
import { createEstimates } from '../commands/estimates.ts'
import { createSessions } from '../commands/sessions.ts'
import { createStatistics } from '../projections/statistics.ts'
import { createLogWait } from './after.ts'
import { requireTokens } from './authHook.ts'
import { correlationIdOf } from './correlation.ts'
import type { AppDependencies } from './dependencies.ts'
import { docsRoutes } from './docsRoutes.ts'
import { answerErrors, answerRawErrors, frameworkProblem } from './errors.ts'
import { flowRoutes } from './flowRoutes.ts'
import { healthRoutes } from './healthRoutes.ts'
import { acceptJsonBodies, BODY_LIMIT } from './jsonBody.ts'
import { measure } from './measure.ts'
import { migrationRoutes } from './migrationRoutes.ts'
import { describeRoutes } from './openapi.ts'
import { sendProblem } from './problem.ts'
import { limitRates } from './rateLimitHook.ts'
import { lazyRequestLogger } from './requestLogger.ts'
import { secureHeaders } from './securityHeaders.ts'
import { sessionListRoutes } from './sessionListRoutes.ts'
import { sessionRoutes } from './sessionRoutes.ts'
import { shedOverload } from './shedding.ts'
import { statisticsRoutes } from './statisticsRoutes.ts'
import { stepRoutes } from './stepRoutes.ts'
import { validatorCompiler } from './validation.ts'

/**
 * The HTTP service, built and not yet listening. The order of checks is the order of hooks, once there is time for a request at all (503): who (401), how often (429), may they
 * (403), what kind of body (415, 413), is it JSON (400), has it the right shape (422); the handler sees to the rest. `more` are
 * the routes of further slices.
 */
export async function buildApp(
  deps: AppDependencies,
  more: readonly FastifyPluginAsync[] = [],
): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.logger,
    serverFactory: shedOverload(deps),
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'correlationId' }),
    bodyLimit: BODY_LIMIT,
    genReqId: (request) => correlationIdOf(request.headers),
    routerOptions: { maxParamLength: 2000, ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => {
      sendProblem(request, reply, frameworkProblem(error))
    },
    clientErrorHandler: answerRawErrors,
    childLoggerFactory: lazyRequestLogger,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
  }) as unknown as FastifyInstance

  app.setValidatorCompiler(validatorCompiler)
  // Answers are made by this program; their schemas are documentation and no filter.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  answerErrors(app)
  secureHeaders(app)
  if (deps.config.frontendUrl)
    await app.register(fastifyCors, {
      origin: [deps.config.frontendUrl],
      exposedHeaders: ['etag', 'gangway-position', 'idempotent-replayed', 'retry-after', 'x-correlation-id'],
      maxAge: 600,
    })
  requireTokens(app, deps)
  limitRates(app, deps)
  acceptJsonBodies(app)
  measure(app, deps)
  const document = describeRoutes(app)

  const { store, pool, readModels } = deps
  const statistics = createStatistics(pool, () =>
    readModels.projectsAll('sessions') ? readModels.position('sessions') : '',
  )
  const estimates = createEstimates((tenant, flowId) => statistics.stepMedians(tenant, flowId))
  const sessions = createSessions({ ...deps, estimates })
  const shared = { ...deps, sessions, statistics, waitForLog: createLogWait(store) }
  await app.register(sessionRoutes(shared))
  await app.register(sessionListRoutes(shared))
  await app.register(statisticsRoutes(shared))
  await app.register(stepRoutes(shared))
  await app.register(flowRoutes(shared))
  await app.register(migrationRoutes(shared))
  await app.register(healthRoutes(deps))
  await app.register(docsRoutes(document))
  for (const routes of more) await app.register(routes)
  return app
}
