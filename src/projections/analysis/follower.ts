import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions, type Position, START } from '../../domain/position.ts'
import { decode } from '../../eventStore/codec.ts'
import type { EventStore } from '../../eventStore/eventStore.ts'
import { type Caught, Waiters } from '../waiters.ts'
import { AnalysisState, indexedCategories } from './state.ts'

/** Keeps a state current from the log. */
export interface Follower {
  readonly state: AnalysisState
  /** False until the end of the log was reached for the first time. */
  readonly current: boolean
  /** Answers once the state has seen a position, and the end of the log once. */
  reached(position: Position, patienceMs: number): Promise<Caught>
  /** Answers once the end of the log was reached; false when it was stopped before. */
  caughtUp(): Promise<boolean>
  stop(): Promise<void>
}

const NAME = 'analysis'
/** Between looks at the log while nobody waits for what it says: the more a look brings, the less of it each event costs. */
const PACE_MS = 100
/** A look that brings so many leaves more to be looked at. */
const MANY = 1000

/** Follows the log from where the state is. What was interrupted goes on. */
export function follow(store: EventStore, state: AnalysisState, warn: (error: unknown) => void): Follower {
  const stopped = new AbortController()
  const { signal } = stopped
  const waiters = new Waiters()
  let current = false
  let markCurrent = () => {}
  let hurry = () => {}
  const firstCurrent = new Promise<void>((done) => {
    markCurrent = done
  })

  const run = async () => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const log = store.follow({
          from: state.through,
          signal,
          categories: [...indexedCategories],
          // A whole page must count as many, or a backlog would be paced too.
          pageSize: MANY,
        })
        for await (const batch of log) {
          if (batch.kind === 'events') for (const event of batch.events) state.apply(decode(event))
          const seen = BigInt(batch.through) - BigInt(state.through)
          state.through = batch.through
          attempt = 0
          if (batch.kind === 'caughtUp') {
            current = true
            markCurrent()
          }
          if (current) waiters.reached(NAME, state.through)
          // Questions are looked at between batches.
          if (batch.kind === 'events') await new Promise((next) => setImmediate(next))
          if (current && waiters.count === 0 && seen < BigInt(MANY)) await pace()
        }
      } catch (error) {
        if (!signal.aborted) warn(error)
      }
      if (!signal.aborted)
        await delay(Math.min(50 * 2 ** attempt, 2000), undefined, { signal }).catch(() => {})
    }
  }
  const pace = async () => {
    const hurried = new AbortController()
    hurry = () => hurried.abort()
    await delay(PACE_MS, undefined, { signal: AbortSignal.any([signal, hurried.signal]) }).catch(() => {})
    hurry = () => {}
  }
  const running = run()

  return {
    state,
    get current() {
      return current
    },
    async reached(position, patienceMs) {
      if (current && comparePositions(position, state.through) <= 0) return { ok: true }
      const deadline = performance.now() + patienceMs
      await Promise.race([firstCurrent, delay(patienceMs, undefined, { signal }).catch(() => {})])
      if (current) {
        const caught = waiters.wait(NAME, position, Math.max(deadline - performance.now(), 0))
        hurry()
        return caught
      }
      const head = await store.head()
      const wanted = comparePositions(position, head) > 0 ? position : head
      return { ok: false, at: state.through, behind: String(BigInt(wanted) - BigInt(state.through)) }
    },
    async caughtUp() {
      await firstCurrent
      return current
    },
    async stop() {
      stopped.abort()
      markCurrent()
      waiters.close()
      await running
    },
  }
}

/** Whether a state was made from this log: its last event is where it says. */
export async function knows(store: EventStore, { last, beforeLast }: AnalysisState): Promise<boolean> {
  if (!last) return true
  const next = { from: beforeLast, limit: 1, categories: [...indexedCategories] }
  for await (const [event] of store.readAll(next))
    if (event) return event.position === last.position && event.id === last.id
  return false
}

/** An empty state, to be built from the beginning of the log. */
export const emptyState = (): AnalysisState => Object.assign(new AnalysisState(), { through: START })
