import { fail, readCommandLine } from './commandLine.ts'
import { check, type Verdict } from './conformance/check.ts'
import { adapters } from './conformance/registry.ts'
import { readVectors } from './conformance/vectorFile.ts'

const { flags, words } = readCommandLine({
  usage: 'npm run conformance -- FILE [--json]',
  summary: `Puts every case of a vector file through the functions that the service uses and compares with what is
expected. Ends with 1 when a case fails, with 2 when the file cannot be used.

  FILE  {"vectors": [{id, category, inputs, expected, tolerance}]}`,
  options: { json: { help: 'print [{id, category, got}] instead of the table' } },
  words: ['FILE'],
})

const vectors = readVectors(words[0]!)
if ('fault' in vectors) fail(vectors.fault, 2)
const verdicts = vectors.map((vector) => check(vector, adapters))
process.stdout.write(`${flags.has('json') ? json(verdicts) : table(verdicts)}\n`)
process.exitCode = verdicts.every((verdict) => verdict.passed) ? 0 : 1

function json(all: readonly Verdict[]): string {
  return JSON.stringify(
    all.map(({ id, category, got }) => ({ id, category, got })),
    null,
    1,
  )
}

function table(all: readonly Verdict[]): string {
  const lines: string[] = []
  for (const [category, cases] of Map.groupBy(all, (verdict) => verdict.category)) {
    const failed = cases.filter((verdict) => !verdict.passed)
    const count = `${cases.length - failed.length}/${cases.length}`
    lines.push(`${failed.length === 0 ? 'pass' : 'FAIL'}  ${category.padEnd(28)} ${count.padStart(7)}`)
    for (const { id, got, expected, fault } of failed) {
      lines.push(`        ${id}`, `          ${fault ?? `got      ${JSON.stringify(got)}`}`)
      lines.push(`          expected ${JSON.stringify(expected)}`)
    }
  }
  const passed = all.filter((verdict) => verdict.passed).length
  return [...lines, '', `${passed} of ${all.length} pass`].join('\n')
}
