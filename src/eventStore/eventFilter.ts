import type { StoredEvent } from '../domain/envelope.ts'
import { parseStreamName } from '../domain/stream.ts'
import type { EventFilter, FollowOptions } from './eventStore.ts'

/** The filter as a function; what an engine cannot ask its server for exactly is left out by it. */
export function matcher({
  types,
  categories,
  tenant,
  wanted: isWanted,
}: EventFilter & Pick<FollowOptions, 'wanted'>): (event: Pick<StoredEvent, 'type' | 'stream'>) => boolean {
  const wanted = types && new Set(types)
  const inCategories = categories && new Set(categories)
  return ({ type, stream }) => {
    if (wanted && !wanted.has(type)) return false
    if (isWanted && !isWanted(stream)) return false
    if (!inCategories && tenant === undefined) return true
    // Mostly it is of another category: then nothing else of the name matters.
    if (inCategories && !inCategories.has(stream.slice(0, stream.indexOf('-')))) return false
    const name = parseStreamName(stream)
    return name !== undefined && (tenant === undefined || name.tenant === tenant)
  }
}
