// `npm run bench [name …] [-- --quick]`: runs the benches named, or all, and keeps their figures in bench/results.
// Its script begins with `exec`: npm passes signals on, a shell in between would keep them to itself.
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { useScratch } from './scratch.ts'
import { watchStolen } from './stolen.ts'
import { type Bench, formatTable, machineLine, writeResults } from './support.ts'

const NOT_BENCHES = new Set(['main', 'support', 'scratch', 'stolen', 'eventStoreDb'])
const available = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .filter((name) => !NOT_BENCHES.has(name) && !name.includes('.'))
  .sort()

// The processes of a bench load the same code over and over.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/gangway', import.meta.url))

/** Figures of the other engine have files of their own. */
const resultsOf = (name: string) =>
  process.env.EVENTSTORE_URL && ['append', 'commands'].includes(name) ? `${name}-eventstoredb` : name

const args = process.argv.slice(2)
const quick = args.includes('--quick')
const names = args.filter((arg) => !arg.startsWith('-'))
const unknown = [
  ...names.filter((name) => !available.includes(name)),
  ...args.filter((arg) => arg.startsWith('-') && !['--quick', '--help', '-h'].includes(arg)),
]

if (args.includes('--help') || args.includes('-h')) {
  console.log(`Usage: npm run bench [name …] [-- --quick]

Measures each bench beside a peer in the same run, prints a table and writes bench/results/<name>.json.
--quick  small and short: shows that a bench works; its figures are not kept

Benches: ${available.join(', ')}`)
} else if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(', ')}. There are: ${available.join(', ')}.`)
  process.exitCode = 1
} else {
  useScratch()
  console.log(machineLine())
  for (const name of names.length > 0 ? names : available) {
    console.log(`\n${name}`)
    const bench = (await import(`./${name}.ts`)) as Bench
    const log = (line: string) => console.error(`  ${line}`)
    const stolen = watchStolen()
    const { rows } = await bench.run({ quick, log })
    const machine = machineLine() + stolen()
    console.log(`${formatTable(rows)}\n${machine}`)
    if (!quick) console.log(`→ ${await writeResults(resultsOf(name), rows, machine)}`)
  }
}
