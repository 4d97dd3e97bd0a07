import type { Happened } from '../support/histories.ts'

/**
 * The contract's funnel, told as plainly as it can be and as slowly: every order of simultaneous events, every entry, every
 * chain is tried.
 */
export interface ReferenceFunnel {
  readonly steps: readonly Filter[]
  readonly order: 'ordered' | 'strict' | 'unordered'
  readonly entry: 'first' | 'any'
  readonly ties: 'recorded' | 'any'
  readonly window: number
  readonly from: number
  readonly to: number
  readonly asOf: number
  readonly exclusions: readonly { readonly filter: Filter; readonly from: number; readonly to: number }[]
}

export interface Filter {
  readonly query: Readonly<Record<string, unknown>>
  readonly matches: (event: Happened) => boolean
}

export interface Chain {
  readonly times: readonly number[]
  readonly marked: boolean
}

/** The chain that a unit keeps, 'excluded', or null for a unit that never entered. */
export function referenceUnit(all: readonly Happened[], funnel: ReferenceFunnel): Chain | 'excluded' | null {
  const seen = all.filter((event) => event.at <= funnel.asOf)
  const chains = orders(seen, funnel.ties).flatMap((events) => chainsOf(events, funnel))
  if (chains.length === 0) return null
  const deepest = Math.max(...chains.map(({ times }) => times.length))
  const free = chains.filter(({ times, marked }) => times.length === deepest && !marked)
  if (free.length === 0) return 'excluded'
  const latest = Math.max(...free.map(({ times }) => times[0]!))
  const kept = free.filter(({ times }) => times[0] === latest)
  // as recorded, the last of several entries at one time is the latest; else the orders serve alike and each step is at its earliest
  if (funnel.ties === 'recorded') return kept[kept.length - 1]!
  return kept.toSorted((a, b) => earlier(a.times, b.times))[0]!
}

function earlier(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((time, k) => time !== b[k])
  return differs < 0 ? 0 : a[differs]! - b[differs]!
}

/** The orders in which simultaneous events may be taken. */
function orders(events: readonly Happened[], ties: 'recorded' | 'any'): Happened[][] {
  if (ties === 'recorded' || events.length === 0) return [[...events]]
  const group = events.filter(({ at }) => at === events[0]!.at)
  const rest = orders(events.slice(group.length), ties)
  return permutations(group).flatMap((order) => rest.map((tail) => [...order, ...tail]))
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]]
  return list.flatMap((item, i) => permutations(list.toSpliced(i, 1)).map((rest) => [item, ...rest]))
}

function chainsOf(events: readonly Happened[], funnel: ReferenceFunnel): Chain[] {
  const enters = (event: Happened) =>
    funnel.order === 'unordered'
      ? funnel.steps.some((step) => step.matches(event))
      : funnel.steps[0]!.matches(event)
  const all = [...events.keys()].filter((i) => enters(events[i]!))
  const entries = funnel.entry === 'first' ? all.slice(0, 1) : all
  return entries
    .filter((i) => events[i]!.at >= funnel.from && events[i]!.at < funnel.to)
    .map((i) => chainFrom(events, i, funnel))
}

function chainFrom(events: readonly Happened[], entry: number, funnel: ReferenceFunnel): Chain {
  const closes = events[entry]!.at + funnel.window
  const open = (i: number) => i < events.length && events[i]!.at <= closes
  const { steps } = funnel
  const at = [entry]
  if (funnel.order === 'unordered') {
    const times: number[] = []
    for (let i = entry; open(i); i++) {
      const size = most(events.slice(entry, i + 1), steps)
      if (size > times.length) times.push(events[i]!.at)
    }
    return { times, marked: false }
  }
  if (funnel.order === 'strict') {
    const counting = [...events.keys()].filter((i) => i > entry && counts(events[i]!, funnel))
    for (const i of counting) {
      if (at.length === steps.length || !open(i) || !steps[at.length]!.matches(events[i]!)) break
      at.push(i)
    }
  } else {
    for (let i = entry + 1; open(i) && at.length < steps.length; i++) {
      if (steps[at.length]!.matches(events[i]!)) at.push(i)
    }
  }
  const marked = funnel.exclusions.some(({ filter, from, to }) => {
    if (at[from] === undefined) return false
    const end = at[to] ?? events.length
    return [...events.keys()].some((i) => i > at[from]! && i < end && open(i) && filter.matches(events[i]!))
  })
  return { times: at.map((i) => events[i]!.at), marked }
}

/** Completed steps, signals and whatever a filter names. */
function counts({ what }: Happened, { steps }: ReferenceFunnel): boolean {
  return !what.startsWith('!') || steps.some(({ query }) => query.event === what.slice(1))
}

/** How many of the steps can be done by these events, each event doing one. */
function most(events: readonly Happened[], steps: readonly Filter[]): number {
  const [step, ...others] = steps
  if (!step) return 0
  let best = most(events, others)
  for (const [i, event] of events.entries()) {
    if (step.matches(event)) best = Math.max(best, 1 + most(events.toSpliced(i, 1), others))
  }
  return best
}

/** The funnel's rows as far as they are the same for all ways of showing them. */
export function referenceRows(chains: readonly (Chain | 'excluded' | null)[], funnel: ReferenceFunnel) {
  const kept = chains.filter((chain) => chain !== null && chain !== 'excluded')
  return funnel.steps.map((_, k) => {
    const reached = kept.filter(({ times }) => times.length > k)
    const stopped = kept.filter(({ times }) => times.length === k)
    const inProgress = stopped.filter(({ times }) => times[0]! + funnel.window >= funnel.asOf)
    const durations = k === 0 ? [] : reached.map(({ times }) => (times[k]! - times[k - 1]!) / 1000)
    const waiting = k === 0 || funnel.window === Number.POSITIVE_INFINITY ? 0 : inProgress.length
    return {
      count: reached.length,
      dropped: k === 0 ? 0 : stopped.length - waiting,
      inProgress: waiting,
      medianSeconds: percentileCont(durations, 0.5),
      p90Seconds: percentileCont(durations, 0.9),
    }
  })
}

export function percentileCont(values: readonly number[], p: number): number | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const rank = p * (sorted.length - 1)
  const below = sorted[Math.floor(rank)]!
  return below + (rank - Math.floor(rank)) * (sorted[Math.ceil(rank)]! - below)
}
