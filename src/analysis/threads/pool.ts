import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type FunnelCounts, mergeCounts, type Part } from '../funnel/execute.ts'
import type { FunnelPlan } from '../funnel/funnelPlan.ts'
import { type CohortCounts, mergeCohorts } from '../retention/execute.ts'
import type { RetentionPlan } from '../retention/retentionPlan.ts'

export interface Task {
  readonly plan: FunnelPlan | RetentionPlan
  readonly part: Part
}

/** Worker threads that run plans over shared memory, so that a query does not hold up the thread that serves commands. */
export interface QueryPool {
  readonly funnel: (plan: FunnelPlan) => Promise<FunnelCounts>
  readonly retention: (plan: RetentionPlan) => Promise<readonly CohortCounts[]>
  readonly close: () => Promise<void>
}

/** Starts `threads` workers; each query is spread over all of them. A worker that dies fails its queries and is replaced. */
export function startPool(threads = availableParallelism()): QueryPool {
  const members = Array.from({ length: threads }, () => new Member())
  const spread = <Result>(plan: Task['plan']): Promise<Result[]> =>
    Promise.all(members.map((member, index) => member.run<Result>({ plan, part: { index, of: threads } })))
  return {
    funnel: async (plan) => mergeCounts(await spread<FunnelCounts>(plan)),
    retention: async (plan) => mergeCohorts(await spread<CohortCounts[]>(plan)),
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
