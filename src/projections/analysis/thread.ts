import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { pino } from 'pino'
import { startPool } from '../../analysis/threads/pool.ts'
import type { EventStore } from '../../eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../eventStore/postgres.ts'
import { answering } from './answering.ts'
import { emptyState, type Follower, follow } from './follower.ts'
import { startKeeper } from './keeper.ts'
import type { FromThread, Question, Reply, ThreadOptions, ToThread } from './messages.ts'
import { createSavedAnswers } from './savedAnswers.ts'
import { createSnapshots } from './snapshots.ts'

/**
 * The thread of the analysis index: follows the log, answers queries and keeps the results of saved definitions. Everything that
 * takes long happens here, so that the thread which serves commands never waits for it.
 */
const port = parentPort!
const options = workerData as ThreadOptions
const tell = (message: FromThread) => port.postMessage(message)
const log = (level: 'info' | 'warn', message: string, details: object) =>
  tell({ is: 'log', level, message, details })
const logger = pino({
  hooks: {
    logMethod: ([details, message], _method, level) =>
      log(level >= 40 ? 'warn' : 'info', String(message), plain(details as unknown as object)),
  },
})

// On Linux this is the priority of the thread alone: where processors are few, commands come first.
if (process.platform === 'linux') setPriority(10)

const store = await openStore()
const trouble = (error: unknown) =>
  log('warn', 'Following the log was interrupted and goes on', { err: String(error) })
const snapshots = createSnapshots(options.folder, store, log)
let follower = follow(store, await snapshots.load(), trouble)
const pool = startPool()
const answers = answering(store, () => follower, Date.now, pool)
const keeper = options.keeping
  ? startKeeper(
      options.databaseUrl,
      () => follower,
      (message, error) => log('warn', message, { err: String(error) }),
    )
  : undefined
const saved = createSavedAnswers(
  options.databaseUrl,
  () => follower,
  () => keeper?.hurry(),
)
let building: Follower | undefined
let tidying = false
const saving = setInterval(async () => {
  if (tidying) return
  tidying = true
  await tidy().catch(trouble)
  tidying = false
}, 2000)

/** The client of EventStoreDB takes a while to load: only where it is used. */
async function openStore(): Promise<EventStore> {
  const { databaseUrl, eventStoreUrl } = options
  if (!eventStoreUrl) return createPostgresEventStore({ connectionString: databaseUrl, logger })
  const { createEventStoreDbEventStore } = await import('../../eventStore/eventStoreDb.ts')
  return createEventStoreDbEventStore({ connectionString: eventStoreUrl, logger })
}

port.on('message', (message: ToThread) => {
  switch (message.is) {
    case 'question':
      void reply(message.id, message.question)
      return
    case 'stop':
      void stop()
  }
})

async function reply(id: number, question: Question): Promise<void> {
  try {
    const { after, patienceMs } = question
    if (question.ask !== 'status' && question.ask !== 'rebuild') {
      const caught = await follower.reached(after ?? '0', patienceMs)
      if (!caught.ok) {
        tell({ is: 'reply', id, reply: { is: 'behind', at: caught.at, behind: caught.behind } })
        return
      }
    }
    tell({ is: 'begun', id })
    tell({ is: 'reply', id, reply: await answerTo(question) })
  } catch (error) {
    const { message, stack = '' } = error as Error
    tell({ is: 'failed', id, message, stack })
  }
}

async function answerTo(question: Question): Promise<Reply> {
  switch (question.ask) {
    case 'query':
      return answers.query(question)
    case 'experiment':
      return answers.experiment(question)
    case 'check':
      return answers.check(question)
    case 'members':
      return answers.members(question)
    case 'saved':
      return saved.answer(question)
    case 'reached':
      return { is: 'done' }
    case 'status':
      return status()
    case 'save':
      await snapshots.save(follower.state, true)
      return { is: 'done' }
    case 'rebuild':
      await rebuild()
      return { is: 'done' }
  }
}

/** Builds the index anew beside the one in use, and puts it in its place once it has caught up. */
async function rebuild(): Promise<void> {
  log('info', 'The analysis index is built anew', {})
  await snapshots.remove()
  const [old, next] = [follower, follow(store, emptyState(), trouble)]
  building = next
  if (!(await next.caughtUp())) return
  building = undefined
  follower = next
  await old.stop()
  const { events, through } = next.state
  log('info', 'The analysis index was built anew', { events, through })
}

/** What is to be done now and then. */
async function tidy(): Promise<void> {
  if (await snapshots.isRebuildWanted()) await rebuild()
  else await snapshots.save(follower.state)
}

async function status(): Promise<Reply> {
  const { state, current } = follower
  const head = await store.head()
  const lagEvents = Number(BigInt(head) - BigInt(state.through))
  const lagSeconds = lagEvents > 0 ? await secondsWaiting() : 0
  const position = state.through
  return { is: 'status', status: { position, current, lagEvents, lagSeconds, ...state.memory() } }
}

/** The age of the oldest event that was not seen yet. */
async function secondsWaiting(): Promise<number> {
  for await (const [event] of store.readAll({ from: follower.state.through, limit: 1 }))
    if (event) return Math.max(0, (Date.now() - Date.parse(event.recordedAt)) / 1000)
  return 0
}

async function stop(): Promise<void> {
  clearInterval(saving)
  await keeper?.stop()
  await saved.close()
  await pool.close()
  await building?.stop()
  await follower.stop()
  if (follower.current) await snapshots.save(follower.state, true)
  await store.close()
  tell({ is: 'stopped' })
  port.close()
}

/** Details of a log line as another thread can take them. */
function plain(details: object): object {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  )
}
