let lastStream = ''
let lastId = ''

/** The id in a stream's name, `category-tenant_id`: what follows the first `_`; see domain/stream.ts. Neighbouring events are often of one stream. */
export function streamId(stream: string): string {
  if (stream !== lastStream) {
    lastStream = stream
    lastId = stream.slice(stream.indexOf('_') + 1)
  }
  return lastId
}
