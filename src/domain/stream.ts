/**
 * Streams are named `category-tenant_id`, so that a category or one tenant can be followed alone. The tenant is
 * percent-encoded with `_` as `%5F` and `-` as `%2D`: the first `-` and the first `_` of a name are its separators, and the id
 * follows as it is.
 */
export interface StreamName {
  readonly category: string
  readonly tenant: string
  readonly id: string
}

export function streamName(category: string, tenant: string, id: string): string {
  return `${category}-${encodeTenant(tenant)}_${id}`
}

/** The parts of a name that `streamName` made; undefined for any other name (a system stream, someone else's). */
export function parseStreamName(stream: string): StreamName | undefined {
  const dash = stream.indexOf('-')
  const underscore = stream.indexOf('_', dash + 1)
  if (dash < 1 || underscore < 0) return undefined
  try {
    return {
      category: stream.slice(0, dash),
      tenant: decodeURIComponent(stream.slice(dash + 1, underscore)),
      id: stream.slice(underscore + 1),
    }
  } catch {
    return undefined
  }
}

/** What every stream of a category and tenant begins with. */
export function streamPrefix(category: string, tenant: string): string {
  return streamName(category, tenant, '')
}

/** The last one, which is mostly asked for again. */
let known = { tenant: '', encoded: '' }

function encodeTenant(tenant: string): string {
  if (tenant !== known.tenant)
    known = { tenant, encoded: encodeURIComponent(tenant).replaceAll('_', '%5F').replaceAll('-', '%2D') }
  return known.encoded
}
