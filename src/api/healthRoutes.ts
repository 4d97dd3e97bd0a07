import type { FastifyPluginAsync } from 'fastify'
import type { AppDependencies } from './dependencies.ts'

type Part =
  | ({ readonly ok: true } & Readonly<Record<string, unknown>>)
  | { readonly ok: false; readonly detail: string }

const PATIENCE_MS = 2000
/** Read models further behind than this make a node unready to answer queries as of now. */
const MOST_LAG_SECONDS = 30

/** For who runs the service: is it alive, is it ready and if not which part, what does it measure. */
export function healthRoutes(deps: AppDependencies): FastifyPluginAsync {
  const { store, pool, readModels, metrics, draining, analysis } = deps

  const parts: Readonly<Record<string, () => Promise<Part>>> = {
    log: () => store.ping().then(ok),
    database: () => pool.query('select 1').then(ok),
    readModels: async () => {
      const late = (await readModels.status()).filter(({ lagSeconds }) => lagSeconds > MOST_LAG_SECONDS)
      if (late.length === 0) return ok()
      return {
        ok: false,
        detail: late.map((model) => `${model.name} is ${model.lagSeconds} s behind`).join(', '),
      }
    },
    // A node takes commands while its index still catches up; queries wait for it.
    ...(analysis && { analysis: async () => ({ ok: true as const, ...(await analysis.status()) }) }),
    ...(draining && {
      process: async () => (draining() ? { ok: false as const, detail: 'going down' } : ok()),
    }),
  }

  return async (app) => {
    const open = { config: { public: true } }
    app.get(
      '/health/live',
      { ...open, schema: { tags: ['service'], summary: 'Is the process alive', response: { 200: {} } } },
      async () => ({ status: 'ok' }),
    )
    app.get(
      '/health/ready',
      {
        ...open,
        schema: {
          tags: ['service'],
          summary: 'Can it answer; if not, which part',
          response: { 200: {}, 503: {} },
        },
      },
      async (_request, reply) => {
        const checked = await Promise.all(
          Object.entries(parts).map(async ([name, check]) => [name, await within(check)] as const),
        )
        const ready = checked.every(([, part]) => part.ok)
        if (!ready) reply.code(503).header('retry-after', '1')
        return {
          status: ready ? 'ready' : 'not_ready',
          engine: store.engine,
          parts: Object.fromEntries(checked),
        }
      },
    )
    app.get(
      '/metrics',
      { ...open, schema: { tags: ['service'], summary: 'Measures for Prometheus', response: { 200: {} } } },
      async (_request, reply) => {
        reply.header('content-type', metrics.registry.contentType)
        return metrics.registry.metrics()
      },
    )
  }
}

const ok = (): Part => ({ ok: true })

async function within(check: () => Promise<Part>): Promise<Part> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Part>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, detail: `no answer in ${PATIENCE_MS} ms` }), PATIENCE_MS)
  })
  try {
    return await Promise.race([check(), late])
  } catch (error) {
    return { ok: false, detail: (error as Error).message || (error as Error).name }
  } finally {
    clearTimeout(timer)
  }
}
