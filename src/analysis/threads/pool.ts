import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { executeFunnel, type FunnelCounts, mergeCounts } from '../funnel/execute.ts'
import type { FunnelPlan } from '../funnel/funnelPlan.ts'
import { type Pieces, piecesOf } from '../plan/pieces.ts'
import { createScratch, type TakeBlock } from '../plan/scratch.ts'
import { type CohortCounts, executeRetention, mergeCohorts } from '../retention/execute.ts'
import type { RetentionPlan } from '../retention/retentionPlan.ts'

/** What a thread is asked for. */
export type Request =
  | ({ readonly id: number } & Task)
  /** The result of that task is no longer read. */
  | { readonly ended: number }

export interface Task {
  readonly plan: FunnelPlan | RetentionPlan
  readonly pieces: Pieces
}

/** Runs plans on all processors: over shared memory, each thread takes pieces of the units, the asking thread among them. */
export interface QueryPool {
  /** What the counts are made of is written over by later queries: all that is wanted of them has to be in what `use` gives. */
  readonly funnel: <Answer>(plan: FunnelPlan, use: (counts: FunnelCounts) => Answer) => Promise<Answer>
  readonly retention: (plan: RetentionPlan) => Promise<readonly CohortCounts[]>
  readonly close: () => Promise<void>
}

/** Below this many units per thread handing them over takes longer than it saves. */
const WORTHWHILE = 10_000
/** Enough that a thread which is held up leaves most of its part to the others. */
const PIECES_PER_THREAD = 16

/** Makes ready for `threads` threads, the asking one included; the others start when first needed. A worker that dies fails its queries and is replaced. */
export function startPool(threads = availableParallelism(), worthwhile = WORTHWHILE): QueryPool {
  const members = Array.from({ length: threads - 1 }, () => new Member())
  const scratch = createScratch()
  const spread = async <Result, Answer>(
    plan: Task['plan'],
    here: (pieces: Pieces, take: TakeBlock) => Result,
    use: (parts: readonly Result[]) => Answer,
  ): Promise<Answer> => {
    const units = plan.coding.runs.reduce((sum, { unit }) => sum + unit.length, 0)
    const several = Math.min(threads, Math.max(1, Math.floor(units / worthwhile)))
    const pieces = piecesOf(several === 1 ? 1 : several * PIECES_PER_THREAD)
    const others = members.slice(0, several - 1).map((member) => member.run<Result>({ plan, pieces }))
    const elsewhere = Promise.all(others.map(({ result }) => result))
    // Waited for below; until then a failure is nobody's.
    elsewhere.catch(() => {})
    const lease = scratch.lease()
    try {
      return use([here(pieces, lease.take), ...(await elsewhere)])
    } finally {
      lease.end()
      for (const { end } of others) end()
    }
  }
  return {
    funnel: (plan, use) =>
      spread(
        plan,
        (pieces, take) => executeFunnel(plan, pieces, take),
        (parts) => use(mergeCounts(parts)),
      ),
    retention: (plan) => spread(plan, (pieces) => executeRetention(plan, pieces), mergeCohorts),
    close: async () => {
      await Promise.all(members.map((member) => member.close()))
    },
  }
}

class Member {
  #worker: Worker | undefined
  #closed = false
  #next = 0
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()

  /** The result may be read until `end` is called. */
  run<Result>(task: Task): { readonly result: Promise<Result>; readonly end: () => void } {
    if (this.#closed) return { result: Promise.reject(new Error('the query pool is closed')), end: () => {} }
    this.#worker ??= this.#start()
    const worker = this.#worker
    const id = this.#next++
    const result = new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: never) => void, reject })
      worker.postMessage({ id, ...task } satisfies Request)
    })
    return { result, end: () => worker.postMessage({ ended: id } satisfies Request) }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url))
    worker.unref()
    worker.on('message', ({ id, result }) => {
      this.#waiting.get(id)?.resolve(result as never)
      this.#waiting.delete(id)
    })
    const failed = (error: Error) => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      for (const { reject } of this.#waiting.values()) reject(error)
      this.#waiting.clear()
    }
    worker.on('error', failed)
    worker.on('exit', () => failed(new Error('a query thread ended')))
    return worker
  }
}
