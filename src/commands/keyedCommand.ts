import type { EventStore } from '../eventStore/eventStore.ts'
import type { CommandKeys, KeyHolder, KeyUse } from './commandKeys.ts'
import type { CommandContext, Outcome } from './handle.ts'

/** A key that was taken so many seconds ago, and under which nothing stands in the log, was left behind by a node that died. */
const LEFT_BEHIND_SECONDS = 30

/** What is known of a command once its key is taken. */
interface KeySeen {
  readonly unchanged?: KeyHolder['unchanged']
  readonly context: CommandContext
}

/**
 * Runs commands under their Idempotency-Key. The key is the tenant's, whatever stream or endpoint it is used at; the same key for
 * other content is refused. A key under which nothing was recorded is free again. Repeats wait for the first.
 */
export function createKeyedCommands(store: EventStore, keys: CommandKeys) {
  const oneAtATime = createTurns()
  return <S, E>(
    context: CommandContext,
    stream: string,
    run: (seen: KeySeen) => Promise<Outcome<S, E>>,
  ): Promise<Outcome<S, E>> => {
    const { tenant, commandId: key, commandHash: hash, occurredAt: at } = context
    const use: KeyUse = { tenant, key, stream, hash, at }
    return oneAtATime(`${tenant.length}:${tenant}${key}`, async () => {
      const holder = await take(store, keys, use)
      if (holder === 'reused') return { kind: 'key_reused' }
      const outcome = await run(holder === 'taken' ? { context } : seenBefore(holder, context))
      if (outcome.kind === 'accepted' && outcome.events.length === 0 && !outcome.replayed) {
        const unchanged = await keys.keepUnchanged(use, outcome)
        // Another attempt, on another node, was faster: its answer is the first.
        if (unchanged.revision !== outcome.revision) return run({ context, unchanged })
      } else if (leftNoTrace(outcome)) await keys.release(use)
      return outcome
    })
  }
}

/** A repeat is decided as of the first attempt, so that two nodes deciding it at once record the same. */
function seenBefore(holder: KeyHolder, context: CommandContext): KeySeen {
  const { unchanged, age, at } = holder
  const since = age < LEFT_BEHIND_SECONDS ? { ...context, occurredAt: at } : context
  return { unchanged, context: since }
}

async function take(
  store: EventStore,
  keys: CommandKeys,
  use: KeyUse,
): Promise<'taken' | 'reused' | KeyHolder> {
  for (;;) {
    const holder = await keys.take(use)
    if (holder === 'taken' || holder.hash === use.hash) return holder
    if (await isUsed(store, holder)) return 'reused'
    if (await keys.takeOver(holder, use)) return 'taken'
  }
}

async function isUsed(store: EventStore, holder: KeyHolder): Promise<boolean> {
  if (holder.unchanged || holder.age < LEFT_BEHIND_SECONDS) return true
  for await (const event of store.read(holder.stream))
    if (event.metadata.commandId === holder.key) return true
  return false
}

function leftNoTrace(outcome: Outcome<unknown, unknown>): boolean {
  switch (outcome.kind) {
    case 'accepted':
      return false
    case 'refused':
      return outcome.revision === undefined
    case 'precondition_failed':
    case 'key_reused':
      return true
  }
}

/** Runs what has the same name one after the other. */
function createTurns() {
  const last = new Map<string, Promise<unknown>>()
  return async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    const before = last.get(name)
    const turn = before ? before.then(run, run) : run()
    last.set(name, turn)
    try {
      return await turn
    } finally {
      if (last.get(name) === turn) last.delete(name)
    }
  }
}
