// The processes of the fanout bench, as their parent sees them.
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Message = Readonly<Record<string, unknown>>

/** Microseconds of CPU that a process has taken, and the thread of it that serves. */
export interface CpuTime {
  readonly thread: number
  readonly process: number
}

export interface Part {
  /** What it said when it was ready. */
  readonly ready: Message
  /** Answers one message at a time a group of sockets. */
  call(message: Message): Promise<Message>
  cpu(): Promise<CpuTime>
  stop(): Promise<void>
}

export interface ServerPart extends Part {
  readonly url: string
}

export const startClients = () => startPart('clients', [])

/** The whole service on a database, or `ws` alone. */
export async function startServer(
  kind: 'ours' | 'bare',
  database: string,
  secret: string,
): Promise<ServerPart> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gangway-fanout-'))
  const part = await startPart('server', [kind, database, dataDir, secret])
  return {
    ...part,
    url: String(part.ready.url),
    async stop() {
      await part.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function startPart(name: string, args: readonly string[]): Promise<Part> {
  const child = fork(new URL(`${name}.ts`, import.meta.url), [...args], { execArgv: ['--expose-gc'] })
  let next = 0
  const ready = await answerOf(child, -1)
  const call = (message: Message): Promise<Message> => {
    const id = next++
    child.send({ id, ...message })
    return answerOf(child, id)
  }
  return {
    ready,
    call,
    cpu: async () => (await call({ do: 'cpu' })).cpu as CpuTime,
    async stop() {
      const gone = new Promise((done) => child.once('exit', done))
      child.send({ id: -2, do: 'stop' })
      await gone
    },
  }
}

function answerOf(child: ChildProcess, id: number): Promise<Message> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Message) => {
      if (message.id !== id) return
      child.off('message', onMessage).off('exit', onExit)
      if (message.error === undefined) resolve(message)
      else reject(new Error(String(message.error)))
    }
    const onExit = (code: number) => reject(new Error(`a process of the bench ended with ${code}`))
    child.on('message', onMessage).on('exit', onExit)
  })
}
