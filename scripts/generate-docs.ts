// `npm run docs` writes what is generated from the code; with --check it writes nothing and fails when something is stale.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { eventsDocument } from './docs/events.ts'
import { readModelsDocument } from './docs/readModels.ts'

/** Each generated file, from the project's root, and what makes its text. */
const documents: Readonly<Record<string, () => Promise<string>>> = {
  'docs/events.md': eventsDocument,
  'docs/read-models.md': readModelsDocument,
}

const check = process.argv.includes('--check')
const root = new URL('../', import.meta.url)
for (const [path, generate] of Object.entries(documents)) {
  const file = new URL(path, root)
  const text = await generate()
  const current = await readFile(file, 'utf8').catch(() => undefined)
  if (current === text) continue
  if (check) {
    console.error(`${path} is stale: run \`npm run docs\` and commit it.`)
    process.exitCode = 1
  } else {
    await mkdir(dirname(file.pathname), { recursive: true })
    await writeFile(file, text)
    console.log(`${path} written`)
  }
}
