import { comparePositions, type Position, START } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { AppDependencies } from './dependencies.ts'
import { type ProblemError, problem } from './problem.ts'

/** How long a query waits for what `?after=` names. */
const PATIENCE_MS = 5000
const POLL_MS = 25

/** Waits until a read model has passed a position. @throws ProblemError 503 */
export async function waitForReadModel(
  deps: Pick<AppDependencies, 'readModels'>,
  name: string,
  after: Position | undefined,
): Promise<void> {
  if (after === undefined) return
  const caught = await deps.readModels.waitFor(name, after, PATIENCE_MS)
  if (!caught.ok) throw behind(name, caught.at, caught.behind)
}

/**
 * Waits until the log itself has come to a position, for what is answered from the log: it has for every position that a
 * command was answered with. @throws ProblemError 503
 */
export function createLogWait(store: Pick<EventStore, 'head'>) {
  let seen: Position = START
  return async (after: Position | undefined): Promise<void> => {
    if (after === undefined || comparePositions(after, seen) <= 0) return
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const head = await store.head()
      if (comparePositions(head, seen) > 0) seen = head
      if (comparePositions(after, seen) <= 0) return
      if (performance.now() > deadline) throw behind('log', seen, String(BigInt(after) - BigInt(seen)))
      await new Promise((wake) => setTimeout(wake, POLL_MS))
    }
  }
}

function behind(name: string, at: Position, lag: string): ProblemError {
  return problem(
    503,
    'read_model_behind',
    `The read model ${name} is at ${at}, ${lag} behind what was asked for.`,
    {
      extra: { readModel: name, at, lag },
      headers: { 'retry-after': '1' },
    },
  )
}
