import { readFileSync } from 'node:fs'
import type { Vector } from './adapter.ts'

/** Reads the cases of a vector file, or says what is wrong with it. */
export function readVectors(file: string): readonly Vector[] | { readonly fault: string } {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { fault: code ? `cannot read ${file} (${code})` : `${file} is not JSON: ${message}` }
  }
  const vectors = isObject(content) ? content.vectors : undefined
  if (!Array.isArray(vectors)) return { fault: `${file}: no list "vectors" in it` }
  const bad = vectors.findIndex((vector) => !isVector(vector))
  if (bad >= 0) return { fault: `${file}: vectors[${bad}] needs id, category, inputs and expected` }
  return vectors.map((vector) => ({ ...vector, tolerance: vector.tolerance ?? 0 }))
}

const isVector = (vector: unknown): boolean =>
  isObject(vector) &&
  typeof vector.id === 'string' &&
  typeof vector.category === 'string' &&
  isObject(vector.inputs) &&
  'expected' in vector

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
