import { RE2JS } from 're2js'

const MAX_LENGTH = 1000
/** Instructions of the compiled program; `a{1000}` has 1,004. */
const MAX_SIZE = 2500

/** A regular expression that takes time linear in the text, whoever wrote it. */
export interface Pattern {
  readonly source: string
  /** Instructions of its program: testing a text costs at most this many steps a character. */
  readonly size: number
  /** Whether it matches anywhere in the text. */
  test(text: string): boolean
}

/**
 * Compiles a pattern in RE2's syntax (no look-around, no back-references), with JavaScript's escapes translated. What is wrong with
 * it comes back as text.
 */
export function compilePattern(source: string): Pattern | string {
  if (source.length > MAX_LENGTH) return `a pattern has at most ${MAX_LENGTH} characters`
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(source))
    const size = compiled.programSize()
    if (size > MAX_SIZE) return `the pattern repeats too much: ${size} steps, at most ${MAX_SIZE}`
    return { source, size, test: (text) => compiled.test(text) }
  } catch (error) {
    const reason = (error as Error).message.replace('error parsing regexp: ', '')
    return `not a pattern of the RE2 syntax: ${reason}`
  }
}
