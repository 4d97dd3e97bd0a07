import type { FastifyPluginAsync } from 'fastify'
import { clientFrames, serverFrames } from './liveFrames.ts'

interface FrameDoc {
  readonly summary: string
  readonly data: object
  readonly seq?: boolean
}

/** The live socket as an AsyncAPI 3.0 document, from the schemas that check its frames. */
export function asyncApiDocument(options: { readonly version: string; readonly host: string }) {
  const incoming = messages(clientFrames)
  const outgoing = messages(serverFrames)
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Gangway live',
      version: options.version,
      description: [
        'Every event of a joined session is exactly one frame with `seq`, its revision; other frames have none.',
        'Authenticate by the `Authorization` header, by a first frame `authenticate` (within 10 s), or by a ticket of `POST /onboarding/ticket`, offered as subprotocol `gangway.ticket.<ticket>`, which the server echoes.',
        'The socket is closed with 4401 when nobody authenticated or the token has ended (a frame `authenticate` with a fresh token of the same caller prevents that), 1013 after `resync_required`, 1008 on a flood of frames, 1009 on one past 1 MiB, 1001 when the node goes down.',
        'The server pings every 30 s and drops a socket that does not answer.',
      ].join('\n\n'),
    },
    defaultContentType: 'application/json',
    servers: { this: { host: options.host, protocol: 'ws' } },
    channels: {
      onboarding: {
        address: '/onboarding',
        servers: [{ $ref: '#/servers/this' }],
        messages: Object.fromEntries(
          [...Object.keys(incoming), ...Object.keys(outgoing)].map((name) => [
            name,
            { $ref: `#/components/messages/${name}` },
          ]),
        ),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
    },
    operations: {
      receive: operation('receive', 'Frames that the server takes', incoming),
      send: operation('send', 'Frames that the server sends', outgoing),
    },
    components: {
      messages: { ...incoming, ...outgoing },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  }
}

function messages(frames: Readonly<Record<string, FrameDoc>>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(frames).map(([event, { summary, data, seq }]) => [
      event,
      {
        name: event,
        summary,
        payload: {
          type: 'object',
          properties: {
            event: { const: event },
            data,
            ...(seq && { seq: { type: 'integer', minimum: 0, description: 'Revision of the event' } }),
          },
          required: ['event', 'data', ...(seq ? ['seq'] : [])],
        },
      },
    ]),
  )
}

function operation(action: 'receive' | 'send', summary: string, of: Readonly<Record<string, object>>) {
  return {
    action,
    summary,
    channel: { $ref: '#/channels/onboarding' },
    messages: Object.keys(of).map((name) => ({ $ref: `#/channels/onboarding/messages/${name}` })),
  }
}

const schema = {
  tags: ['meta'],
  summary: 'The live socket, as AsyncAPI 3',
  response: { 200: { type: 'object' } },
}

/** Serves the document. */
export function asyncApiRoutes(options: { readonly version: string }): FastifyPluginAsync {
  return async (app) => {
    app.get('/asyncapi.json', { config: { public: true }, schema }, async (request) =>
      asyncApiDocument({ version: options.version, host: request.host }),
    )
  }
}
