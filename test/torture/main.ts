import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { breakages } from './changes.ts'
import { type FaultName, faultNames } from './faults.ts'
import { torture } from './torture.ts'
import { type Engine, engines, type Topology, topologies } from './world.ts'

const help = `Usage: npm run torture -- [--minutes M] [--seed S] [--fault f,…] [--topology T] [--engine E] [--people N]
                           [--quick] [--no-strain] [--no-overload] [--break NAME]

Runs the service as several processes on one PostgreSQL, lets many use it, breaks everything around them in an order that the seed
decides, and checks what must hold (docs/reliability.md). Ends with 1 when something did not.

Faults: ${faultNames.join(', ')}
--minutes    how long faults are made (2); starting and the last questions take about one more
--topology   ${Object.entries(topologies)
  .map(([name, nodes]) => `${name}: ${Object.keys(nodes).join(', ')}`)
  .join('; ')}
--engine     ${engines.join(' or ')}: what holds the log
--quick      a few seconds of faults, without reconnects and overload
--no-strain  without reconnects and overload at the end; --no-overload: with reconnects only
--break puts a deliberate fault into the nodes' code, which must be caught: ${Object.keys(breakages).join(', ')}`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    fault: { type: 'string' },
    people: { type: 'string', default: '12' },
    topology: { type: 'string', default: 'split' },
    engine: { type: 'string', default: 'postgres' },
    break: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'no-strain': { type: 'boolean', default: false },
    'no-overload': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit(0)
}
const breakage = values.break === undefined ? undefined : breakages[values.break]
const wanted = values.fault?.split(',') ?? (breakage ? [breakage.fault] : faultNames)
const unknown = [
  ...wanted.filter((name) => !faultNames.includes(name as FaultName)),
  ...(values.break !== undefined && !breakage ? [values.break] : []),
  ...(Object.hasOwn(topologies, values.topology) ? [] : [values.topology]),
  ...(engines.includes(values.engine as Engine) ? [] : [values.engine]),
]
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}; see --help`)
  process.exit(2)
}

/** What is asked at the end besides: leaks (9) and overload (10). */
function strain(): number[] {
  if (values.quick || values['no-strain']) return []
  return values['no-overload'] ? [9] : [9, 10]
}

const report = await torture({
  seed: Number(values.seed),
  seconds: values.quick ? 6 : Number(values.minutes) * 60,
  faults: wanted as FaultName[],
  people: Number(values.people),
  topology: values.topology as Topology,
  engine: values.engine as Engine,
  breakage: values.break,
  strain: breakage ? [breakage.invariant] : strain(),
  log: (line) => console.log(line),
})
const { history, folder } = report
const total = Object.values(report.faults).reduce((sum, n) => sum + n, 0)
console.log(`\nseed ${values.seed}: ${total} faults`)
for (const [name, n] of Object.entries(report.faults)) console.log(`${String(n).padStart(6)} ${name}`)
console.log(
  `\nwhere: ${Object.entries(report.places)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ')}`,
)
console.log('\nwhat was asked and told')
for (const [name, n] of Object.entries(history.counts).sort())
  console.log(`${String(Math.round(n * 10) / 10).padStart(8)} ${name}`)
if (folder) await writeFile(join(folder, 'violations.json'), JSON.stringify(history.violations, null, 2))
console.log(
  folder
    ? `\n${history.violations.length} violations, with what shows them in ${folder}/violations.json`
    : '\nNothing that must hold was broken.',
)
if (breakage) {
  const caught = history.violations.some(({ invariant }) => invariant === breakage.invariant)
  console.log(`${values.break}: invariant ${breakage.invariant} ${caught ? 'caught it' : 'DID NOT CATCH IT'}`)
}
process.exit(folder ? 1 : 0)
