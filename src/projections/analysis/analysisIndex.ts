import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { ExperimentQuestion } from '../../analysis/experiment/experimentAnswer.ts'
import type { DefinitionKind } from '../../domain/definitionEvents.ts'
import type { JsonObject } from '../../domain/json.ts'
import type { Position } from '../../domain/position.ts'
import type { Bounds, FromThread, IndexStatus, Question, Reply, ThreadOptions, ToThread } from './messages.ts'
import type { QueryKind } from './queries.ts'

/** The analysis of this node: an index of the log in a thread of its own, and who asks it. */
export interface Analysis {
  query(tenant: string, kind: QueryKind, body: JsonObject, after?: Position): Promise<AnalysisReply>
  /** Results of an experiment. */
  experiment(tenant: string, question: ExperimentQuestion, after?: Position): Promise<AnalysisReply>
  /** Whether a definition could be saved. */
  check(
    tenant: string,
    kind: DefinitionKind,
    definition: JsonObject,
    after?: Position,
  ): Promise<AnalysisReply>
  /** The kept answer of a saved definition. */
  saved(
    tenant: string,
    kind: DefinitionKind,
    key: string,
    bounds: Bounds,
    after?: Position,
  ): Promise<AnalysisReply>
  members(
    tenant: string,
    key: string,
    page: { readonly from: number; readonly limit: number },
    after?: Position,
  ): Promise<AnalysisReply>
  /** Waits until the index has seen a position. */
  reached(position: Position, patienceMs: number): Promise<AnalysisReply>
  /** How far and how large the index is, a moment ago at most unless the thread is busy; undefined before it first said so. */
  status(): Promise<IndexStatus | undefined>
  /** Writes the snapshot now. */
  save(): Promise<void>
  /** Throws the index and its snapshot away and builds it anew from the log. */
  rebuild(): Promise<void>
  stop(): Promise<void>
}

export type AnalysisReply = Reply | Refused
export type Refused =
  /** More questions than may wait at a time. */
  | { readonly is: 'busy' }
  /** It took longer than a question may take. */
  | { readonly is: 'too_slow' }
  /** The thread has ended and is being started again. */
  | { readonly is: 'unavailable' }

export interface AnalysisOptions extends ThreadOptions {
  readonly logger: {
    info(details: object, message: string): void
    warn(details: object, message: string): void
  }
  /** Milliseconds one question may take once its turn has come. */
  readonly limitMs?: number
  /** Questions asked and not yet answered, at most. */
  readonly most?: number
  /** The thread is started when this is settled, or by the first question before; at once unless told. */
  readonly after?: Promise<unknown>
}

const LIMIT_MS = 30_000
const MOST = 64
const PATIENCE_MS = 5000
const STOP_MS = 20_000
const STATUS_MS = 300

interface Asked {
  readonly question: Question
  readonly resolve: (reply: AnalysisReply) => void
  readonly reject: (error: Error) => void
  timer?: NodeJS.Timeout
}

/** Starts the thread and answers at once; questions wait until the index has caught up. */
export function startAnalysis(options: AnalysisOptions): Analysis {
  const { logger, limitMs = LIMIT_MS, most = MOST, databaseUrl, eventStoreUrl, folder, keeping } = options
  const asked = new Map<number, Asked>()
  const thread: ThreadOptions = { databaseUrl, eventStoreUrl, folder, keeping }
  let lastId = 0
  let stopping = false
  let attempt = 0
  let known: IndexStatus | undefined
  let begun = false
  let heard = false
  let worker: Worker | undefined
  let restart: NodeJS.Timeout | undefined
  let ended: Promise<void> = Promise.resolve()

  const settle = (id: number, how: (asked: Asked) => void) => {
    const one = asked.get(id)
    if (!one) return
    clearTimeout(one.timer)
    asked.delete(id)
    how(one)
  }

  const start = () => {
    const started = new Worker(new URL('./thread.ts', import.meta.url), { workerData: thread })
    worker = started
    ended = new Promise((done) => started.once('exit', () => done()))
    started.on('message', (message: FromThread) => hear(message, started))
    started.on('error', (error) =>
      logger.warn({ err: error, part: 'analysis' }, 'The analysis thread failed'),
    )
    started.on('exit', () => {
      if (worker === started) worker = undefined
      for (const id of [...asked.keys()]) settle(id, ({ resolve }) => resolve({ is: 'unavailable' }))
      if (stopping) return
      restart = setTimeout(start, Math.min(100 * 2 ** attempt++, 10_000))
    })
  }

  const begin = () => {
    if (begun || stopping) return
    begun = true
    start()
  }

  const hear = (message: FromThread, from: Worker) => {
    heard = true
    switch (message.is) {
      case 'reply':
        attempt = 0
        settle(message.id, ({ resolve }) => resolve(message.reply))
        return
      case 'begun': {
        const one = asked.get(message.id)
        if (one) one.timer = setTimeout(() => tooSlow(message.id, from), limitMs)
        return
      }
      case 'failed':
        settle(message.id, ({ reject }) => reject(failure(message.message, message.stack)))
        return
      case 'log':
        logger[message.level]({ part: 'analysis', ...message.details }, message.message)
        return
      case 'stopped':
        return
    }
  }

  /** A thread that computes hears nothing: it is ended, and the index comes back from its snapshot and the log. */
  const tooSlow = (id: number, slow: Worker) => {
    const ask = asked.get(id)?.question.ask
    settle(id, ({ resolve }) => resolve({ is: 'too_slow' }))
    logger.warn({ part: 'analysis', ask, limitMs }, 'A query took too long; the analysis thread starts anew')
    void slow.terminate()
  }

  const ask = (question: Question, counts = true): Promise<AnalysisReply> => {
    begin()
    if (!worker) return Promise.resolve({ is: 'unavailable' })
    if (counts && asked.size >= most) return Promise.resolve({ is: 'busy' })
    const id = ++lastId
    const reply = new Promise<AnalysisReply>((resolve, reject) =>
      asked.set(id, { question, resolve, reject }),
    )
    worker.postMessage({ is: 'question', id, question } satisfies ToThread)
    return reply
  }

  if (options.after) options.after.then(begin, begin)
  else begin()
  const patienceMs = PATIENCE_MS
  return {
    query: (tenant, kind, body, after) => ask({ ask: 'query', tenant, kind, body, after, patienceMs }),
    experiment: (tenant, question, after) => ask({ ask: 'experiment', tenant, question, after, patienceMs }),
    check: (tenant, kind, definition, after) =>
      ask({ ask: 'check', tenant, kind, definition, after, patienceMs }),
    saved: (tenant, kind, key, bounds, after) =>
      ask({ ask: 'saved', tenant, kind, key, bounds, after, patienceMs }),
    members: (tenant, key, page, after) => ask({ ask: 'members', tenant, key, ...page, after, patienceMs }),
    reached: (after, patience) => ask({ ask: 'reached', after, patienceMs: patience }),
    async status() {
      if (!begun) return known
      const asked = ask({ ask: 'status', patienceMs: 0 }, false).then((reply) => {
        if (reply.is === 'status') known = reply.status
        return known
      })
      // One that is only being loaded has nothing to say yet; nobody waits for what it will say.
      if (!heard) {
        asked.catch(() => {})
        return known
      }
      // A thread that computes answers later: until then what it said last.
      return Promise.race([asked, delay(STATUS_MS).then(() => known)])
    },
    async save() {
      await ask({ ask: 'save', patienceMs }, false)
    },
    async rebuild() {
      await ask({ ask: 'rebuild', patienceMs: 0 }, false)
    },
    async stop() {
      stopping = true
      clearTimeout(restart)
      const last = worker
      if (!last) return
      last.postMessage({ is: 'stop' } satisfies ToThread)
      const impatient = setTimeout(() => void last.terminate(), STOP_MS)
      await ended
      clearTimeout(impatient)
    },
  }
}

function failure(message: string, stack: string): Error {
  return Object.assign(new Error(message), { stack })
}
