import { LRUCache } from 'lru-cache'

export type StepMedians = ReadonlyMap<string, number>

/** Measured medians of a flow's steps in seconds, by step; at hand, or on their way. */
export type Estimates = (tenant: string, flowId: string) => StepMedians | Promise<StepMedians>

/** Younger than this they are taken as they are; … */
const FRESH_MS = 200
/** … younger than this too, and read anew meanwhile; older ones are waited for, … */
const USABLE_MS = 600
/** … but never longer than this: an estimate is not worth holding up a command. */
const PATIENCE_MS = 100

const NONE: StepMedians = new Map()

interface Known {
  medians: StepMedians
  /** Milliseconds of `performance.now()`. */
  readAt: number
  reading: Promise<StepMedians> | undefined
}

/** Keeps medians at hand, so that no command waits for statistics that others keep asking for. Failing to read them costs nothing. */
export function createEstimates(
  read: (tenant: string, flowId: string) => Promise<StepMedians>,
  now: () => number = () => performance.now(),
): Estimates {
  const flows = new LRUCache<string, Known>({ max: 5000 })

  function refresh(known: Known, tenant: string, flowId: string): Promise<StepMedians> {
    known.reading ??= read(tenant, flowId)
      .then(
        (medians) => {
          known.medians = medians
        },
        () => {},
      )
      .then(() => {
        known.readAt = now()
        known.reading = undefined
        return known.medians
      })
    return known.reading
  }

  return (tenant, flowId) => {
    const key = `${tenant.length}:${tenant}${flowId}`
    let known = flows.get(key)
    if (!known) {
      known = { medians: NONE, readAt: Number.NEGATIVE_INFINITY, reading: undefined }
      flows.set(key, known)
    }
    const age = now() - known.readAt
    if (age < FRESH_MS) return known.medians
    const isFirst = known.readAt === Number.NEGATIVE_INFINITY
    if (known.reading && !isFirst) return known.medians
    const reading = refresh(known, tenant, flowId)
    return age < USABLE_MS ? known.medians : within(reading, known)
  }
}

async function within(reading: Promise<StepMedians>, known: Known): Promise<StepMedians> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<StepMedians>((resolve) => {
    timer = setTimeout(() => resolve(known.medians), PATIENCE_MS)
  })
  try {
    return await Promise.race([reading, late])
  } finally {
    clearTimeout(timer)
  }
}
