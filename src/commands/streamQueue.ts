import type { DomainEvent, NewEvent, StoredEvent } from '../domain/envelope.ts'
import { InvalidAppend } from '../eventStore/appendChecks.ts'
import { type EventStore, EventStoreUnavailable } from '../eventStore/eventStore.ts'
import type { AggregateCache } from './aggregateCache.ts'
import type { Aggregate, Outcome } from './handle.ts'
import { type Job, judge, type Task, type Verdict } from './job.ts'
import { answerRepeat } from './repeat.ts'
import { emptySnapshot, type Snapshot } from './snapshot.ts'

/** One append takes the events of so many commands at most, and of so much text. */
const MOST_COMMANDS = 64
const MOST_TEXT = 200_000
/** How often a batch is decided anew because other nodes were faster. */
const MOST_ATTEMPTS = 50

/** What a single command would record is more than the log takes at once. */
export class CommandTooLarge extends Error {
  override readonly name = 'CommandTooLarge'
}

export interface QueueDependencies {
  readonly store: EventStore
  readonly cache: AggregateCache
  readonly appended?: ((seconds: number, events: number) => void) | undefined
}

/** Hands commands to the queue of their stream; a queue is there as long as it has any. */
export function createStreamQueues(deps: QueueDependencies) {
  // biome-ignore lint/suspicious/noExplicitAny: a stream has one aggregate, whose types its callers know
  const queues = new Map<string, StreamQueue<any, any, any>>()
  return <S, C, E extends DomainEvent<string, unknown>>(
    aggregate: Aggregate<S, C, E>,
    stream: string,
    task: Task<S, C>,
  ): Promise<Outcome<S, E>> =>
    new Promise((resolve, reject) => {
      const queue = queues.get(stream) ?? new StreamQueue(deps, aggregate, stream)
      queues.set(stream, queue)
      queue.push({ task, resolve, reject })
      queue.run(() => queues.delete(stream))
    })
}

/**
 * The commands of one stream, one after the other. Those that came while an append was under way are decided together on the
 * state in memory and appended as one, so that a session everybody writes to is as fast as many.
 */
class StreamQueue<S, C, E extends DomainEvent<string, unknown>> {
  private jobs: Job<S, C, E>[] = []
  private running = false
  private readonly deps: QueueDependencies
  private readonly aggregate: Aggregate<S, C, E>
  private readonly stream: string

  constructor(deps: QueueDependencies, aggregate: Aggregate<S, C, E>, stream: string) {
    this.deps = deps
    this.aggregate = aggregate
    this.stream = stream
  }

  push(job: Job<S, C, E>): void {
    this.jobs.push(job)
  }

  /** Works until nothing is left; does nothing where that is going on. */
  async run(onIdle: () => void): Promise<void> {
    if (this.running) return
    this.running = true
    while (this.jobs.length > 0) {
      const batch = this.jobs.splice(0, MOST_COMMANDS)
      try {
        await this.process(batch)
      } catch (error) {
        if (error instanceof InvalidAppend && batch.length > 1) for (const job of batch) await this.alone(job)
        else {
          this.deps.cache.forget(this.stream)
          const why = error instanceof InvalidAppend ? new CommandTooLarge(error.message) : error
          for (const job of batch) job.reject(why)
        }
      }
    }
    this.running = false
    onIdle()
  }

  private async alone(job: Job<S, C, E>): Promise<void> {
    await this.process([job]).catch((error) => {
      job.reject(error instanceof InvalidAppend ? new CommandTooLarge(error.message) : error)
    })
  }

  private async process(batch: Job<S, C, E>[]): Promise<void> {
    const { aggregate, stream } = this
    const { cache } = this.deps
    let snapshot = cache.peek<S>(stream)
    let isNewest = false
    if (!snapshot && batch[0]!.task.context.newId) snapshot = emptySnapshot(aggregate.decider.initial)
    if (!snapshot) {
      snapshot = await cache.read(aggregate, stream)
      isNewest = true
    }
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      await this.dropOvertaken(batch)
      if (batch.length === 0) return
      const plan = await this.plan(batch, snapshot)
      if (plan.encoded.length > 0) {
        const after = await this.append(plan, snapshot)
        if (after) return this.settle(plan, after.snapshot, after.positions)
        snapshot = await cache.read(aggregate, stream, cache.peek<S>(stream))
        isNewest = true
      } else {
        const newest: Snapshot<S> = isNewest ? snapshot : await cache.current(aggregate, stream)
        if (newest.revision === snapshot.revision) return this.settle(plan, snapshot, [])
        snapshot = newest
        isNewest = true
      }
    }
    throw new EventStoreUnavailable(
      `${stream} was changed ${MOST_ATTEMPTS} times while a command was decided`,
    )
  }

  /** Takes out of the batch what must not record any more; asking whether it may takes time only where some has passed. */
  private async dropOvertaken(batch: Job<S, C, E>[]): Promise<void> {
    for (const job of [...batch]) {
      const may = job.task.mayRecord?.() ?? true
      if (may === true || (await may)) continue
      batch.splice(batch.indexOf(job), 1)
      job.reject(new EventStoreUnavailable('Another attempt at the command was answered meanwhile'))
    }
  }

  /** Decides the batch on the snapshot; what does not fit into one append goes back to the head of the queue. */
  private async plan(batch: Job<S, C, E>[], snapshot: Snapshot<S>): Promise<Plan<S, C, E>> {
    const verdicts: Judged<S, C, E>[] = []
    const encoded: NewEvent[] = []
    let at = snapshot
    for (const [index, job] of batch.entries()) {
      if (at.size - snapshot.size > MOST_TEXT) {
        this.jobs.unshift(...batch.splice(index))
        break
      }
      const verdict = await judge(this.aggregate, this.stream, job.task, at)
      verdicts.push({ job, verdict })
      if (verdict.kind === 'recorded') {
        encoded.push(...verdict.encoded)
        at = verdict.after
      }
    }
    return { verdicts, encoded, after: at }
  }

  /** Undefined when somebody else appended meanwhile. */
  private async append(
    { verdicts, encoded, after }: Plan<S, C, E>,
    before: Snapshot<S>,
  ): Promise<{ snapshot: Snapshot<S>; positions: readonly string[] } | undefined> {
    const { store, cache, appended } = this.deps
    const started = performance.now()
    const expected = before.revision === -1 ? 'no_stream' : before.revision
    const result = await store.append(this.stream, encoded, expected)
    appended?.((performance.now() - started) / 1000, encoded.length)
    if (!result.ok) return undefined

    let positions: readonly string[] = []
    const recorded = verdicts.filter(({ verdict }) => verdict.kind === 'recorded')
    // The same ids at the same revision count as appended, also when another node was first and decided them a moment earlier:
    // a repeat can overtake the first attempt, which then knows nothing of having one.
    const mayBeOthers = !result.fresh && recorded.some(({ job }) => job.task.context.keyed)
    if (recorded.length > 1 || mayBeOthers) {
      const stored = await this.readBack(before.revision + 1, encoded.length)
      if (stored.at(-1)?.metadata.chain !== after.chain) {
        cache.forget(this.stream)
        return undefined
      }
      positions = stored.map((event) => event.position)
    }
    for (const { job, verdict } of recorded)
      if (job.task.context.keyed && verdict.kind === 'recorded')
        after.commands.set(job.task.context.commandId, verdict.after.revision - verdict.encoded.length + 1)
    const snapshot = { ...after, position: result.position }
    cache.keep(this.stream, snapshot)
    return { snapshot, positions }
  }

  private async readBack(from: number, limit: number): Promise<StoredEvent[]> {
    return Array.fromAsync(this.deps.store.read(this.stream, { from, limit }))
  }

  private settle(plan: Plan<S, C, E>, snapshot: Snapshot<S>, positions: readonly string[]): void {
    const { aggregate, stream } = this
    const { store } = this.deps
    const begin = snapshot.revision - plan.encoded.length + 1
    const positionAt = (revision: number) => positions[revision - begin] ?? snapshot.position
    for (const { job, verdict } of plan.verdicts) {
      switch (verdict.kind) {
        case 'failed':
          job.reject(verdict.error)
          break
        case 'told': {
          const { outcome } = verdict
          const moved = outcome.kind === 'accepted' && outcome.revision >= begin
          job.resolve(moved ? { ...outcome, position: positionAt(outcome.revision) } : outcome)
          break
        }
        case 'repeat':
          job.resolve(answerRepeat(store, aggregate, stream, job.task, snapshot, verdict.revision))
          break
        case 'recorded':
          job.resolve(outcomeOf(verdict, positionAt(verdict.after.revision)))
      }
    }
  }
}

interface Judged<S, C, E> {
  readonly job: Job<S, C, E>
  readonly verdict: Verdict<S, E>
}

interface Plan<S, C, E> {
  readonly verdicts: readonly Judged<S, C, E>[]
  readonly encoded: readonly NewEvent[]
  readonly after: Snapshot<S>
}

function outcomeOf<S, E>(
  { refusal, events, after }: Extract<Verdict<S, E>, { kind: 'recorded' }>,
  position: string,
): Outcome<S, E> {
  const { state, revision } = after
  return refusal
    ? { kind: 'refused', refusal, revision, position, replayed: false }
    : { kind: 'accepted', state, events, revision, position, replayed: false }
}
