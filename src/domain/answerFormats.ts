import type { Format } from 'ajv'
import { fullFormats } from 'ajv-formats/dist/formats.js'
import { compilePattern } from './pattern.ts'

/** A longer text has none of these formats; the expressions behind some of them take time quadratic in the text. */
const MAX_LENGTH = 2048

/** JSON Schema's formats, bounded in time. Any other is a note to the reader, as the specification has it. */
export const answerFormats: Readonly<Record<string, Format>> = Object.fromEntries(
  Object.entries<Format>({
    ...fullFormats,
    regex: (text: string) => typeof compilePattern(text) !== 'string',
    url: (text: string) => /^(https?|ftp):\/\//i.test(text) && URL.canParse(text),
  }).map(([name, format]) => [name, bounded(format)]),
)

function bounded(format: Format): Format {
  if (format instanceof RegExp) return (text: string) => text.length <= MAX_LENGTH && format.test(text)
  if (typeof format === 'function') return (text: string) => text.length <= MAX_LENGTH && format(text)
  if (typeof format !== 'object' || format.type === 'number') return format
  return bounded(format.validate as Format)
}
