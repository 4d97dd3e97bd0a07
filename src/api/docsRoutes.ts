import { type FastifyPluginAsync, fastify } from 'fastify'
import type { OpenApiDocument } from './openapi.ts'
import { pagePolicy } from './securityHeaders.ts'

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Gangway API</title>
  </head>
  <body>
    <div id="app"></div>
    <script src="/docs/scalar.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

/** Everything the page needs comes from here: no font, proxy or telemetry of anybody else's. */
const start = `Scalar.createApiReference('#app', {
  url: '/docs/json',
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  persistAuth: true,
  authentication: { preferredSecurityScheme: 'token' },
})
`

/** A page to read and try the API, and the OpenAPI document it is made of. */
export function docsRoutes(document: () => OpenApiDocument): FastifyPluginAsync {
  const viewer = once(loadViewer)
  const text = once(async () => JSON.stringify(document()))
  return async (app) => {
    const hidden = { config: { public: true }, schema: { hide: true } as object }
    app.get('/docs', hidden, async (_request, reply) => {
      reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', pagePolicy)
      return page
    })
    app.get('/docs/json', hidden, async (_request, reply) => {
      reply.header('content-type', 'application/json; charset=utf-8')
      return text()
    })
    app.get('/docs/start.js', hidden, async (_request, reply) => {
      reply.header('content-type', 'text/javascript; charset=utf-8')
      return start
    })
    app.get('/docs/scalar.js', hidden, async (_request, reply) => {
      reply.header('content-type', 'text/javascript; charset=utf-8').header('cache-control', 'max-age=86400')
      return viewer()
    })
  }
}

/** The viewer's script is inside its package, several megabytes of it: loaded when somebody looks. */
async function loadViewer(): Promise<string> {
  const { default: reference } = await import('@scalar/fastify-api-reference')
  const inner = fastify()
  await inner.register(reference, { routePrefix: '/docs', configuration: { url: '/docs/json' } })
  const { body } = await inner.inject('/docs/js/scalar.js')
  await inner.close()
  return body
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
