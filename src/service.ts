import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { analyticsDefinitionRoutes } from './api/analyticsDefinitions.ts'
import { analyticsQueryRoutes } from './api/analyticsQueries.ts'
import { buildApp } from './api/app.ts'
import { asyncApiRoutes } from './api/asyncapi.ts'
import { auditRoutes } from './api/auditRoutes.ts'
import { type Caller, createTokenVerifier } from './api/auth.ts'
import { experimentQueryRoutes } from './api/experimentQueryRoutes.ts'
import { experimentRoutes } from './api/experimentRoutes.ts'
import { importRoutes } from './api/importRoutes.ts'
import { insightRoutes } from './api/insightRoutes.ts'
import { listenWidely } from './api/listeners.ts'
import { liveRoutes } from './api/live.ts'
import { liveClientRoutes } from './api/liveClientRoutes.ts'
import { liveTicketRoutes } from './api/liveTicketRoutes.ts'
import { createCommandKeys } from './commands/commandKeys.ts'
import { startExperiments } from './commands/experiments.ts'
import { createFlows } from './commands/flows.ts'
import { createHandle } from './commands/handle.ts'
import { createModels } from './commands/models.ts'
import { publishPacks } from './commands/publishPacks.ts'
import type { Config } from './config.ts'
import type { Database } from './database.ts'
import { openAudit } from './eventStore/audit.ts'
import { openLog } from './log.ts'
import { createPool } from './postgresPool.ts'
import { startAnalysis } from './projections/analysis/analysisIndex.ts'
import { trainOnFlowOf } from './projections/analysis/trainOnFlow.ts'
import { createExperimentResultsTable } from './projections/experimentResults.ts'
import { readModelAliases, readModels } from './projections/readModels.ts'
import { createProjectionRunner } from './projections/runner.ts'
import { startAbandonment } from './reactions/abandonment.ts'
import { startBandits } from './reactions/bandits.ts'
import { startCheckpoints } from './reactions/checkpoints.ts'
import { startDifficultyWatch } from './reactions/difficulty.ts'
import { startModelTraining } from './reactions/modelTraining.ts'
import { watchAnalysis, withAnalysis } from './services/analysisHealth.ts'
import { watchTraffic } from './services/drain.ts'
import { loadFlowPacks } from './services/flowPacks.ts'
import { embeddedJwtSecret } from './services/jwtSecret.ts'
import { createMetrics } from './services/metrics.ts'
import { createLocalPresence } from './services/presence.ts'
import { createLocalRateLimiter } from './services/rateLimit.ts'
import { createTickets } from './services/tickets.ts'

export const VERSION = '0.1.0'

export interface Service {
  /** Where it answers. */
  readonly url: string
  /** The secret kept in the data folder; undefined where tokens are somebody else's. */
  readonly embeddedSecret: string | undefined
  /**
   * Stops taking work, finishes what is under way and lets go of everything. Before that it says that it is not ready and goes on
   * serving whoever has still to hear of it, for so many seconds at most; 0 unless told.
   */
  stop(drainSeconds?: number): Promise<void>
}

/** Builds every part, connects them and starts to listen. The only place that knows them all. `database`: one already being opened. */
export async function startService(
  config: Config,
  logger: Logger,
  database?: Promise<Database>,
): Promise<Service> {
  const closing: (() => Promise<unknown>)[] = []
  /** Parts are closed in the opposite order of their making, also when a later one cannot be made. */
  const part = <T>(made: T, close: (made: T) => Promise<unknown>): T => {
    closing.push(() => close(made))
    return made
  }
  const stopAll = async () => {
    for (const close of closing.splice(0).reverse())
      await close().catch((error) => logger.warn({ err: error }, 'A part did not stop cleanly'))
  }
  const listening = Promise.withResolvers<void>()
  let draining = false
  const now = () => new Date()
  const warn = (name: string) => (error: unknown) =>
    logger.warn({ err: error, part: name }, `${name}: trouble`)

  try {
    const log = part(await openLog(config, logger, database), (open) => open.close())
    const { store, databaseUrl: connectionString } = log
    const pool = part(
      createPool(
        {
          connectionString,
          max: 10,
          application_name: 'gangway: queries',
          connectionTimeoutMillis: 5000,
          // A connection can be dead without anybody being told: who asks on it gets an error, and the pool another one.
          query_timeout: 10_000,
        },
        warn('database'),
      ),
      (open) => open.end(),
    )

    const embeddedSecret =
      config.jwtSecret || config.jwksUrl ? undefined : await embeddedJwtSecret(config.dataDir)
    const verifyToken = createTokenVerifier(
      config.jwksUrl ? { jwksUrl: config.jwksUrl } : { jwtSecret: config.jwtSecret ?? embeddedSecret! },
    )
    const metrics = createMetrics({ processMetrics: true })
    const commandKeys = part(
      await createCommandKeys({
        connectionString,
        relaxed: store.engine === 'postgres',
        onError: warn('command keys'),
      }),
      (keys) => keys.close(),
    )
    const flows = createFlows(store)
    const handle = createHandle({ store, commandKeys, metrics })

    const runner = part(
      createProjectionRunner({
        store,
        connectionString,
        projections: readModels,
        aliases: readModelAliases,
        projecting: config.roles !== 'api',
        logger,
      }),
      (running) => running.stop(),
    )
    await runner.start()
    const analysis = part(
      startAnalysis({
        databaseUrl: connectionString,
        eventStoreUrl: config.eventStoreUrl,
        folder: join(config.dataDir, 'analysis'),
        keeping: config.roles !== 'api',
        logger,
        // It loads and reads for a while on a processor of its own, which until then the start itself can use.
        after: listening.promise,
      }),
      (running) => running.stop(),
    )
    await createExperimentResultsTable(pool)
    const experiments = part(
      await startExperiments({ store, handle, onError: warn('experiments') }),
      (following) => following.stop(),
    )
    const readModelsOfAll = withAnalysis(runner, analysis)
    metrics.watchProjections(() => readModelsOfAll.status())
    watchAnalysis(metrics.registry, analysis)

    const audit = await openAudit({ store, dataDir: config.dataDir, now })
    const models = createModels({ handle, train: trainOnFlowOf(analysis), now })
    if (config.roles !== 'api') {
      const stop = (reaction: { stop(): Promise<void> }) => reaction.stop()
      part(startCheckpoints({ ...audit, onError: warn('checkpoints') }), stop)
      part(startAbandonment({ pool, handle, flows, now, onError: warn('abandonment') }), stop)
      part(startBandits({ pool, handle, experiments, analysis, now, onError: warn('bandits') }), stop)
      part(startDifficultyWatch({ pool, handle, flows, analysis, now, onError: warn('difficulty') }), stop)
      part(startModelTraining({ pool, models, onError: warn('models') }), stop)
    }
    const redis = config.redisUrl ? await withRedis(config.redisUrl) : undefined
    const deps = {
      config,
      store,
      handle,
      flows,
      experiments,
      pool,
      readModels: readModelsOfAll,
      analysis,
      models,
      verifyToken,
      logger,
      metrics,
      now,
      audit,
      draining: () => draining,
      rateLimiter: part(
        redis
          ? redis.createRedisRateLimiter(config.rateLimit, redis.url, logger)
          : createLocalRateLimiter(config.rateLimit),
        (limiter) => limiter.close(),
      ),
      tickets: await createTickets<Caller>(pool),
      presence: part(
        redis
          ? redis.createRedisPresence({ redisUrl: redis.url, onError: warn('presence') })
          : createLocalPresence(),
        (presence) => presence.close(),
      ),
    }
    await publishPacks({ handle, packs: await loadFlowPacks(), now })

    const app = part(
      await buildApp(deps, [
        liveRoutes(deps),
        liveTicketRoutes(deps),
        liveClientRoutes(deps),
        auditRoutes(deps),
        importRoutes(deps),
        analyticsQueryRoutes(deps),
        analyticsDefinitionRoutes(deps),
        experimentRoutes(deps),
        experimentQueryRoutes(deps),
        insightRoutes(deps),
        asyncApiRoutes({ version: VERSION }),
      ]),
      (built) => built.close(),
    )
    const traffic = watchTraffic(app.server)
    await listenWidely(app, config.host, config.port)
    listening.resolve()
    const { port } = app.server.address() as AddressInfo
    const host = config.host.includes(':') ? `[${config.host}]` : config.host
    logger.info({ port, engine: store.engine, embedded: log.embedded }, 'listening')
    return {
      url: `http://${host}:${port}`,
      embeddedSecret,
      async stop(drainSeconds = 0) {
        draining = true
        await traffic.drained(drainSeconds * 1000)
        await stopAll()
      },
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** What speaks to Redis, loaded only where there is one. */
const withRedis = async (url: string) => ({
  url,
  ...(await import('./services/rateLimitRedis.ts')),
  ...(await import('./services/presenceRedis.ts')),
})
