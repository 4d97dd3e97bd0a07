import { registerHooks } from 'node:module'
import { type Build, breakages, builds, type Change } from './changes.ts'

// Loaded into a node with --import: lines of its code are others, as TORTURE_BREAK and TORTURE_BUILD say.

const { TORTURE_BREAK, TORTURE_BUILD } = process.env
const changes: readonly Change[] = [
  ...(TORTURE_BREAK ? [breakages[TORTURE_BREAK]!] : []),
  ...(TORTURE_BUILD ? builds[TORTURE_BUILD as Build] : []),
]
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const mine = changes.filter(({ file }) => url.endsWith(`/${file}`))
    if (mine.length === 0) return loaded
    let source = String(loaded.source)
    for (const { file, from, to } of mine) {
      if (!source.includes(from))
        throw new Error(`${file} has no longer the line that is to be another: ${from}`)
      source = source.replace(from, () => to)
    }
    return { ...loaded, source }
  },
})
