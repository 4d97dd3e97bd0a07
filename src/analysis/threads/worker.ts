import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { executeFunnel } from '../funnel/execute.ts'
import { executeRetention } from '../retention/execute.ts'
import type { Task } from './pool.ts'

// On Linux this is the priority of the thread alone: where processors are few, commands come first.
if (process.platform === 'linux') setPriority(10)

/** Runs parts of plans, one after another, over memory shared with the thread that made them. */
parentPort!.on('message', ({ id, plan, part }: Task & { id: number }) => {
  if (plan.kind === 'retention') {
    parentPort!.postMessage({ id, result: executeRetention(plan, part) })
    return
  }
  const result = executeFunnel(plan, part)
  // Given away, not copied.
  const given = result.durations
    .flat()
    .flatMap(({ chunks, counts }) => [
      ...chunks.flatMap(({ values, group }) => (group ? [values.buffer, group.buffer] : [values.buffer])),
      ...(counts ? [counts.buffer] : []),
    ])
  parentPort!.postMessage({ id, result }, [...new Set(given)] as ArrayBuffer[])
})
