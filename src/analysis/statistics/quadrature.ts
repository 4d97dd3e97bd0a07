/** Gauss–Legendre nodes and weights on [−1, 1], by Newton's method on the Legendre polynomial. */
interface Rule {
  readonly nodes: Float64Array
  readonly weights: Float64Array
}

const rules = new Map<number, Rule>()

export function gaussLegendre(n: number): Rule {
  const known = rules.get(n)
  if (known) return known
  const nodes = new Float64Array(n)
  const weights = new Float64Array(n)
  for (let i = 0; i < (n + 1) / 2; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5))
    let slope = 1
    for (let step = 0; step < 100; step++) {
      let previous = 1
      let value = x
      for (let k = 2; k <= n; k++)
        [previous, value] = [value, ((2 * k - 1) * x * value - (k - 1) * previous) / k]
      slope = (n * (x * value - previous)) / (x * x - 1)
      const move = value / slope
      x -= move
      if (Math.abs(move) < 1e-15) break
    }
    nodes[i] = -x
    nodes[n - 1 - i] = x
    const weight = 2 / ((1 - x * x) * slope * slope)
    weights[i] = weight
    weights[n - 1 - i] = weight
  }
  const rule = { nodes, weights }
  rules.set(n, rule)
  return rule
}

/** Points and weights that integrate over [edges[0], edges[last]], panel by panel. */
export function panels(
  edges: readonly number[],
  order = 24,
): { points: Float64Array; weights: Float64Array } {
  const { nodes, weights: base } = gaussLegendre(order)
  const count = Math.max(0, edges.length - 1)
  const points = new Float64Array(count * order)
  const weights = new Float64Array(count * order)
  for (let panel = 0; panel < count; panel++) {
    const low = edges[panel]!
    const half = (edges[panel + 1]! - low) / 2
    for (let i = 0; i < order; i++) {
      points[panel * order + i] = low + half * (1 + nodes[i]!)
      weights[panel * order + i] = half * base[i]!
    }
  }
  return { points, weights }
}
