import { readFileSync } from 'node:fs'

// Loaded into a node with --import: its clock is off by what the file says, read anew at each SIGUSR2. Timers go on as they were.

const file = process.env.TORTURE_CLOCK_FILE!
let offset = 0
process.on('SIGUSR2', () => {
  offset = Number(readFileSync(file, 'utf8'))
})

const RealDate = Date
const now = () => RealDate.now() + offset
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget) as object,
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
})
