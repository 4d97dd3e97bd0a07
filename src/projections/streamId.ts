/** The id in a stream's name, `category-tenant_id`: what follows the first `_`; see domain/stream.ts. */
export function streamId(stream: string): string {
  return stream.slice(stream.indexOf('_') + 1)
}
