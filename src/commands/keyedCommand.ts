import { setTimeout as delay } from 'node:timers/promises'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { CommandKeys, KeyHolder, KeyUse } from './commandKeys.ts'
import type { CommandContext, Outcome } from './handle.ts'

/** A key that was taken so many seconds ago, and under which nothing stands in the log, was left behind by a node that died. */
const LEFT_BEHIND_SECONDS = 30
/** An attempt may begin to append for so long after its key was taken, and asks for longer after that. */
const BEGIN_APPEND_MS = 1000
/** By then what an attempt has begun to append is in the log or never will be: an append takes ten seconds, and its last statement a third of that. */
const UNDER_WAY_SECONDS = BEGIN_APPEND_MS / 1000 + 15
const LOOK_AGAIN_MS = 200

/** What is known of a command once its key is taken. */
interface KeySeen {
  readonly unchanged?: KeyHolder['unchanged']
  readonly context: CommandContext
  /** Whether the attempt may still record something: false once another one was answered that nothing was recorded. */
  readonly mayRecord: () => boolean | Promise<boolean>
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
      for (;;) {
        const holder = await take(store, keys, use)
        if (holder === 'reused') return { kind: 'key_reused' }
        const mayRecord = stillHeld(keys, holder === 'taken' ? use : holder)
        const seen = holder === 'taken' ? { context } : seenBefore(holder, context)
        const outcome = await run({ ...seen, mayRecord })
        const changedNothing =
          outcome.kind === 'accepted' && outcome.events.length === 0 && !outcome.replayed
            ? outcome
            : undefined
        // The first attempt may be under way on another node, and what it records would belie the answer.
        if ((changedNothing || leftNoTrace(outcome)) && (await isUnderWay(store, holder))) {
          await delay(LOOK_AGAIN_MS)
          continue
        }
        if (changedNothing) {
          const unchanged = await keys.keepUnchanged(use, changedNothing)
          // Another attempt, on another node, was faster: its answer is the first.
          if (unchanged.revision !== changedNothing.revision) return run({ context, unchanged, mayRecord })
        } else if (leftNoTrace(outcome)) await keys.release(use)
        return outcome
      }
    })
  }
}

async function isUnderWay(store: EventStore, holder: 'taken' | KeyHolder): Promise<boolean> {
  if (holder === 'taken' || holder.unchanged || holder.age > UNDER_WAY_SECONDS) return false
  return !(await isRecorded(store, holder))
}

function stillHeld(keys: CommandKeys, held: KeyUse): KeySeen['mayRecord'] {
  let since = performance.now()
  return () => {
    const asked = performance.now()
    if (asked - since < BEGIN_APPEND_MS) return true
    since = asked
    return keys.renew(held)
  }
}

/** A repeat is decided as of the first attempt, so that two nodes deciding it at once record the same. */
function seenBefore(holder: KeyHolder, context: CommandContext): Omit<KeySeen, 'mayRecord'> {
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
  return holder.unchanged !== undefined || holder.age < LEFT_BEHIND_SECONDS || isRecorded(store, holder)
}

async function isRecorded(store: EventStore, holder: KeyHolder): Promise<boolean> {
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
