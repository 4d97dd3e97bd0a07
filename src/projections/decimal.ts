/**
 * Exact sums of decimals, as Postgres `numeric` writes them: adding doubles would give another last digit for another order. The
 * numbers of signals come as doubles; each stands for the shortest decimal that reads back as it.
 */
export function addDecimals(a: string, b: string): string {
  const [x, y] = [parse(a), parse(b)]
  const scale = Math.max(x.scale, y.scale)
  return format(x.digits * 10n ** BigInt(scale - x.scale) + y.digits * 10n ** BigInt(scale - y.scale), scale)
}

/** The decimal of a finite double: 1e-7 → `0.0000001`. */
export function decimalOf(value: number): string {
  const { digits, scale } = parse(String(value))
  return format(digits, scale)
}

interface Decimal {
  readonly digits: bigint
  /** Places after the point. */
  readonly scale: number
}

function parse(text: string): Decimal {
  const [mantissa, exponent = '0'] = text.split('e')
  const [whole, fraction = ''] = mantissa!.split('.')
  const scale = fraction.length - Number(exponent)
  const digits = BigInt(whole! + fraction)
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale }
}

/** Without zeros at the end. */
function format(digits: bigint, scale: number): string {
  const sign = digits < 0n ? '-' : ''
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0')
  const whole = text.slice(0, text.length - scale)
  const fraction = text.slice(text.length - scale).replace(/0+$/, '')
  return sign + whole + (fraction && `.${fraction}`)
}
