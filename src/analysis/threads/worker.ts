import { parentPort } from 'node:worker_threads'
import { executeFunnel } from '../funnel/execute.ts'
import { executeRetention } from '../retention/execute.ts'
import type { Task } from './pool.ts'

/** Runs parts of plans, one after another, over memory shared with the thread that made them. */
parentPort!.on('message', ({ id, plan, part }: Task & { id: number }) => {
  const result = plan.kind === 'funnel' ? executeFunnel(plan, part) : executeRetention(plan, part)
  parentPort!.postMessage({ id, result })
})
