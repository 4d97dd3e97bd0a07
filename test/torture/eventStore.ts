import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ControlCommand } from '../support/esdb/control.ts'

/** A server that speaks EventStoreDB's protocol, as a process of its own, with its log in a file. */
export interface TorturedEventStore {
  readonly port: number
  /** SIGKILL. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Tells it to misbehave. */
  command(command: ControlCommand): Promise<void>
}

export async function startEventStore(folder: string): Promise<TorturedEventStore> {
  let server: ChildProcess
  let ports: { port: number; control: number } | undefined
  const start = async () => {
    const options = ['--file', join(folder, 'events.log'), '--port', String(ports?.port ?? 0)]
    server = spawn(process.execPath, [join(import.meta.dirname, '../support/esdb/main.ts'), ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(createInterface({ input: server.stdout! }), 'line')
    ports = JSON.parse(line)
  }
  await start()
  return {
    port: ports!.port,
    start,
    async kill() {
      const gone = once(server, 'exit')
      server.kill('SIGKILL')
      await gone
    },
    async command(command) {
      const answer = await fetch(`http://127.0.0.1:${ports!.control}`, {
        method: 'POST',
        body: JSON.stringify(command),
      })
      if (answer.status !== 200) throw new Error(await answer.text())
    },
  }
}
