import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { executeFunnel } from '../funnel/execute.ts'
import { createScratch, type Lease } from '../plan/scratch.ts'
import { executeRetention } from '../retention/execute.ts'
import type { Request } from './pool.ts'

// On Linux this is the priority of the thread alone: where processors are few, commands come first.
if (process.platform === 'linux') setPriority(10)

const scratch = createScratch()
/** Of results that are still read. */
const leases = new Map<number, Lease>()

/** Runs parts of plans, one after another, over memory shared with the thread that made them. */
parentPort!.on('message', (request: Request) => {
  if ('ended' in request) {
    leases.get(request.ended)?.end()
    leases.delete(request.ended)
    return
  }
  const { id, plan, pieces } = request
  if (plan.kind === 'retention') {
    parentPort!.postMessage({ id, result: executeRetention(plan, pieces) })
    return
  }
  const lease = scratch.lease()
  leases.set(id, lease)
  parentPort!.postMessage({ id, result: executeFunnel(plan, pieces, lease.take) })
})
