import { type CelList, type CelMap, type CelValue, isCelList, isCelMap } from '@bufbuild/cel'

/**
 * JSON as CEL sees it. The library's own conversion copies each object, takes `{"constructor": …}` and `{"$typeName": …}` for things of
 * its own and loses members that are null; these views copy nothing and look at own members only.
 */
export function celValue(value: unknown): CelValue {
  switch (typeof value) {
    case 'number':
      // −0 comes out of a request but not out of the log, and conditions could tell them apart: 1 / −0 is −∞.
      return value + 0
    case 'boolean':
    case 'string':
      return value
    case 'object':
      if (value === null || isCelMap(value) || isCelList(value)) return value
      return Array.isArray(value)
        ? jsonList(value)
        : jsonMap(new JsonMembers(value as Record<string, unknown>))
    default:
      return null
  }
}

/** What a map view reads from. */
export interface Members {
  readonly size: number
  get(name: string): unknown
  has(name: string): boolean
  keys(): IterableIterator<string>
}

class JsonMembers implements Members {
  private readonly object: Readonly<Record<string, unknown>>

  constructor(object: Readonly<Record<string, unknown>>) {
    this.object = object
  }

  get size(): number {
    return Object.keys(this.object).length
  }

  get(name: string): unknown {
    return Object.hasOwn(this.object, name) ? this.object[name] : undefined
  }

  has(name: string): boolean {
    return Object.hasOwn(this.object, name)
  }

  keys(): IterableIterator<string> {
    return Object.keys(this.object).values()
  }
}

/** The symbols by which the library knows its own maps and lists; it shares them so that several copies of it work together. */
const MAP = Symbol.for('@bufbuild/cel/map')
const LIST = Symbol.for('@bufbuild/cel/list')

export function jsonMap(members: Members): CelMap {
  return new MapView(members) as unknown as CelMap
}

function jsonList(items: readonly unknown[]): CelList {
  return new ListView(items, celValue) as unknown as CelList
}

class MapView {
  readonly [MAP] = {}
  private readonly members: Members

  constructor(members: Members) {
    this.members = members
  }

  get size(): number {
    return this.members.size
  }

  get(key: unknown): CelValue | undefined {
    const value = typeof key === 'string' ? this.members.get(key) : undefined
    return value === undefined ? undefined : celValue(value)
  }

  has(key: unknown): boolean {
    return typeof key === 'string' && this.members.has(key)
  }

  keys(): IterableIterator<string> {
    return this.members.keys()
  }

  *entries(): IterableIterator<[string, CelValue]> {
    for (const key of this.members.keys()) yield [key, celValue(this.members.get(key))]
  }

  [Symbol.iterator](): IterableIterator<[string, CelValue]> {
    return this.entries()
  }
}

/** Items are converted when they are looked at, and where they are CEL values already, not at all. */
class ListView {
  readonly [LIST] = {}
  readonly items: readonly unknown[]
  private readonly convert: (item: unknown) => CelValue

  constructor(items: readonly unknown[], convert: (item: unknown) => CelValue) {
    this.items = items
    this.convert = convert
  }

  get size(): number {
    return this.items.length
  }

  get(index: number): CelValue | undefined {
    const item = this.items[index]
    return item === undefined ? undefined : this.convert(item)
  }

  *values(): IterableIterator<CelValue> {
    for (const item of this.items) yield this.convert(item)
  }

  [Symbol.iterator](): IterableIterator<CelValue> {
    return this.values()
  }

  /** All of it as CEL values. */
  converted(): readonly unknown[] {
    return this.convert === asItIs ? this.items : this.items.map(this.convert)
  }
}

const asItIs = (item: unknown) => item as CelValue

/** Two lists as one flat list: the library's own nests a level at each element that `map` and `filter` add. */
export function joinedList(left: CelList, right: CelList): CelList {
  return new ListView(convertedItems(left).concat(convertedItems(right)), asItIs) as unknown as CelList
}

function convertedItems(list: CelList): readonly unknown[] {
  return list instanceof ListView ? list.converted() : [...list]
}
