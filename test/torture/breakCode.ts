import { registerHooks } from 'node:module'
import { breakages } from './breakages.ts'

// Loaded into a node with --import: one line of its code is another, as TORTURE_BREAK says.

const { file, from, to } = breakages[process.env.TORTURE_BREAK!]!
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith(`/${file}`)) return loaded
    const source = String(loaded.source)
    if (!source.includes(from))
      throw new Error(`${file} has no longer the line that is to be broken: ${from}`)
    return { ...loaded, source: source.replace(from, to) }
  },
})
