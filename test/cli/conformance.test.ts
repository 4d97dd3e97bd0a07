import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { check, within } from '../../src/cli/conformance/check.ts'
import { adapters } from '../../src/cli/conformance/registry.ts'
import { readVectors } from '../../src/cli/conformance/vectorFile.ts'
import { runProgram } from '../support/program.ts'
import { needsSharedData, sharedFile, sharedMissing } from '../support/sharedData.ts'

const conformance = (...args: string[]) => runProgram('conformance', args)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gangway-vectors-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function file(content: unknown): Promise<string> {
  const path = join(folder, 'vectors.json')
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const holm = {
  id: 'holm',
  category: 'multiple_testing',
  inputs: { p: [0.01, 0.04], method: 'holm' },
  expected: { adjusted: [0.02, 0.04] },
  tolerance: 1e-12,
}

describe.skipIf(sharedMissing)(`the vectors${needsSharedData}`, () => {
  const read = sharedMissing ? [] : readVectors(sharedFile('vectors', 'analytics.json'))
  const vectors = 'fault' in read ? [] : read

  test('are 143', () => expect(vectors).toHaveLength(143))

  test.each(vectors.map((vector) => [vector.category, vector.id, vector] as const))(
    '%s %s',
    (_, __, vector) => {
      const { got, fault, passed } = check(vector, adapters)
      if (!passed) expect({ got, fault }).toEqual({ got: vector.expected, fault: undefined })
    },
  )
})

describe('npm run conformance', () => {
  test('counts each category and ends well when all pass', async () => {
    const { code, out } = await conformance(await file({ vectors: [holm] }))
    expect(code).toBe(0)
    expect(out).toMatch(/pass {2}multiple_testing +1\/1/)
    expect(out).toContain('1 of 1 pass')
  })

  test('shows what it got beside what was expected, and fails', async () => {
    const wrong = { ...holm, id: 'wrong', expected: { adjusted: [0.02, 0.05] } }
    const { code, out } = await conformance(await file({ vectors: [holm, wrong] }))
    expect(code).toBe(1)
    expect(out).toMatch(/FAIL {2}multiple_testing +1\/2/)
    expect(out).toContain('got      {"adjusted":[0.02,0.04]}')
    expect(out).toContain('expected {"adjusted":[0.02,0.05]}')
  })

  test('--json prints what it got, with the keys of what is expected', async () => {
    const { out } = await conformance('--json', await file({ vectors: [holm] }))
    expect(JSON.parse(out)).toEqual([
      { id: 'holm', category: 'multiple_testing', got: { adjusted: [0.02, 0.04] } },
    ])
  })

  test('a category without an adapter fails and the others go on', async () => {
    const { code, out } = await conformance(
      await file({ vectors: [{ ...holm, category: 'astrology' }, holm] }),
    )
    expect(code).toBe(1)
    expect(out).toContain('no adapter for category astrology')
    expect(out).toContain('1 of 2 pass')
  })

  test.each([
    ['{"vectors": [', 'is not JSON'],
    ['{"cases": []}', 'no list "vectors"'],
    ['null', 'no list "vectors"'],
    ['{"vectors": [{"id": "x"}]}', 'vectors[0] needs id'],
  ])('%s is refused with one line', async (content, line) => {
    const { code, out, err } = await conformance(await file(content))
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(line)
  })

  test('a missing file, and none at all, are said so', async () => {
    expect((await conformance('/nowhere.json')).err).toContain('cannot read /nowhere.json (ENOENT)')
    expect((await conformance()).err).toContain('FILE is missing')
  })
})

describe('comparing', () => {
  test('numbers are held to the tolerance, inside lists and objects too', () => {
    expect(within({ a: [1.0009, 2] }, { a: [1, 2] }, 0.001)).toBe(true)
    expect(within({ a: [1.002, 2] }, { a: [1, 2] }, 0.001)).toBe(false)
    expect(within([1, 2, 3], [1, 2], 1)).toBe(false)
    expect(within({}, { a: 1 }, 1)).toBe(false)
    expect(within(Number.NaN, 1, 1)).toBe(false)
  })

  test('text, truth and null are equal or not', () => {
    expect(within({ a: 'x', b: true, c: null }, { a: 'x', b: true, c: null }, 0)).toBe(true)
    expect(within({ a: 'y' }, { a: 'x' }, 9)).toBe(false)
    expect(within(1, null, 9)).toBe(false)
  })
})
