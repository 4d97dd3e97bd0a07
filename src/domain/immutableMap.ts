/**
 * A map with text keys whose `set` costs O(log n) and leaves the old map as it was: states are cached and an imported session may have
 * any number of steps, so a fold must not copy all of them at every event. An AVL tree (Adelson-Velsky and Landis, 1962),
 * compared by key and never by hash, so nobody can choose keys that make it slow.
 */
export interface ImmutableMap<V> {
  readonly size: number
  get(key: string): V | undefined
  has(key: string): boolean
  set(key: string, value: V): ImmutableMap<V>
  /** In order of the keys (UTF-16 code units). */
  entries(): IterableIterator<[string, V]>
}

interface Node<V> {
  readonly key: string
  readonly value: V
  readonly left: Node<V> | undefined
  readonly right: Node<V> | undefined
  readonly height: number
}

export function immutableMap<V>(entries: Iterable<readonly [string, V]> = []): ImmutableMap<V> {
  let map: ImmutableMap<V> = new Tree<V>(undefined, 0)
  for (const [key, value] of entries) map = map.set(key, value)
  return map
}

class Tree<V> implements ImmutableMap<V> {
  readonly size: number
  private readonly root: Node<V> | undefined

  constructor(root: Node<V> | undefined, size: number) {
    this.root = root
    this.size = size
  }

  get(key: string): V | undefined {
    return find(this.root, key)?.value
  }

  has(key: string): boolean {
    return find(this.root, key) !== undefined
  }

  set(key: string, value: V): ImmutableMap<V> {
    const found = find(this.root, key)
    if (found !== undefined && found.value === value) return this
    return new Tree(insert(this.root, key, value), found === undefined ? this.size + 1 : this.size)
  }

  *entries(): IterableIterator<[string, V]> {
    const path: Node<V>[] = []
    let node = this.root
    while (node !== undefined || path.length > 0) {
      for (; node !== undefined; node = node.left) path.push(node)
      const next = path.pop()!
      yield [next.key, next.value]
      node = next.right
    }
  }
}

function find<V>(root: Node<V> | undefined, key: string): Node<V> | undefined {
  let node = root
  while (node !== undefined && node.key !== key) node = key < node.key ? node.left : node.right
  return node
}

function insert<V>(node: Node<V> | undefined, key: string, value: V): Node<V> {
  if (node === undefined) return { key, value, left: undefined, right: undefined, height: 1 }
  if (key === node.key) return { ...node, value }
  return key < node.key
    ? balance(node.key, node.value, insert(node.left, key, value), node.right)
    : balance(node.key, node.value, node.left, insert(node.right, key, value))
}

function balance<V>(key: string, value: V, left: Node<V> | undefined, right: Node<V> | undefined): Node<V> {
  if (left !== undefined && height(left) > height(right) + 1) {
    if (height(left.left) >= height(left.right)) {
      return join(left.key, left.value, left.left, join(key, value, left.right, right))
    }
    const middle = left.right!
    return join(
      middle.key,
      middle.value,
      join(left.key, left.value, left.left, middle.left),
      join(key, value, middle.right, right),
    )
  }
  if (right !== undefined && height(right) > height(left) + 1) {
    if (height(right.right) >= height(right.left)) {
      return join(right.key, right.value, join(key, value, left, right.left), right.right)
    }
    const middle = right.left!
    return join(
      middle.key,
      middle.value,
      join(key, value, left, middle.left),
      join(right.key, right.value, middle.right, right.right),
    )
  }
  return join(key, value, left, right)
}

function join<V>(key: string, value: V, left: Node<V> | undefined, right: Node<V> | undefined): Node<V> {
  return { key, value, left, right, height: Math.max(height(left), height(right)) + 1 }
}

function height<V>(node: Node<V> | undefined): number {
  return node === undefined ? 0 : node.height
}
