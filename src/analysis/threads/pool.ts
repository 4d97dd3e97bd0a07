import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { executeFunnel, type FunnelCounts, mergeCounts, type Part } from '../funnel/execute.ts'
import type { FunnelPlan } from '../funnel/funnelPlan.ts'
import { type CohortCounts, executeRetention, mergeCohorts } from '../retention/execute.ts'
import type { RetentionPlan } from '../retention/retentionPlan.ts'

export interface Task {
  readonly plan: FunnelPlan | RetentionPlan
  readonly part: Part
}

/** Runs plans on all processors: over shared memory, each thread its part of the units, the asking thread among them. */
export interface QueryPool {
  readonly funnel: (plan: FunnelPlan) => Promise<FunnelCounts>
  readonly retention: (plan: RetentionPlan) => Promise<readonly CohortCounts[]>
  readonly close: () => Promise<void>
}

/** Below this many units per thread handing them over takes longer than it saves. */
const WORTHWHILE = 10_000

/** Makes ready for `threads` threads, the asking one included; the others start when first needed. A worker that dies fails its queries and is replaced. */
export function startPool(threads = availableParallelism(), worthwhile = WORTHWHILE): QueryPool {
  const members = Array.from({ length: threads - 1 }, () => new Member())
  const spread = async <Result>(
    plan: Task['plan'],
    here: (part: Part) => Result,
  ): Promise<readonly Result[]> => {
    const units = plan.coding.runs.reduce((sum, { unit }) => sum + unit.length, 0)
    const of = Math.min(threads, Math.max(1, Math.floor(units / worthwhile)))
    const others = members
      .slice(0, of - 1)
      .map((member, i) => member.run<Result>({ plan, part: { index: i + 1, of } }))
    const elsewhere = Promise.all(others)
    // Waited for below; until then a failure is nobody's.
    elsewhere.catch(() => {})
    return [here({ index: 0, of }), ...(await elsewhere)]
  }
  return {
    funnel: async (plan) => mergeCounts(await spread(plan, (part) => executeFunnel(plan, part))),
    retention: async (plan) => mergeCohorts(await spread(plan, (part) => executeRetention(plan, part))),
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

  run<Result>(task: Task): Promise<Result> {
    if (this.#closed) return Promise.reject(new Error('the query pool is closed'))
    this.#worker ??= this.#start()
    const id = this.#next++
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: never) => void, reject })
      this.#worker!.postMessage({ id, ...task })
    })
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
