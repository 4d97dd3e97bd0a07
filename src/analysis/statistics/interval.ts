/** [low, high]; an open side is ±Infinity. */
export type Interval = readonly [low: number, high: number]

export type Side = 'two' | 'greater' | 'less'

/** `estimate ± halfWidth`, open on the side that a one-sided question leaves open. */
export function around(estimate: number, halfWidth: number, side: Side = 'two'): Interval {
  switch (side) {
    case 'two':
      return [estimate - halfWidth, estimate + halfWidth]
    case 'greater':
      return [estimate - halfWidth, Number.POSITIVE_INFINITY]
    case 'less':
      return [Number.NEGATIVE_INFINITY, estimate + halfWidth]
  }
}
