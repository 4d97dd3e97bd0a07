import { readFileSync } from 'node:fs'

/** Time of all processors since the machine started, in ticks. */
interface ProcessorTime {
  readonly worked: number
  /** Wanted by this machine while its host ran others. */
  readonly stolen: number
}

/** From `/proc/stat` (proc_stat(5)); undefined where there is none. */
function processorTime(): ProcessorTime | undefined {
  try {
    const [user, nice, system, , , irq, softirq, stolen] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]!
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number)
    return { worked: user! + nice! + system! + irq! + softirq!, stolen: stolen! }
  } catch {
    return undefined
  }
}

/** Begins to look how much processor time the host of a virtual machine gives to others; what is answered tells it until then, or '' where it is not known. */
export function watchStolen(): () => string {
  const before = processorTime()
  return () => {
    const after = processorTime()
    if (!before || !after) return ''
    const stolen = after.stolen - before.stolen
    const share = stolen / Math.max(1, after.worked - before.worked + stolen)
    return `, ${(100 * share).toFixed(1)} % of the processor time asked for went to others on its host`
  }
}
