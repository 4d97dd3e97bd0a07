import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import type { Position } from '../../src/domain/position.ts'
import { answerBody, bearer, type Server } from '../http/load.ts'

const TICK_MS = 5
const CONNECTIONS = 64

/** What became of the commands of a while, times in milliseconds. */
export interface Ages {
  /** Commands a second that were answered. */
  readonly perSecond: number
  /** From the answer to a command until its row was seen, … */
  readonly row: number[]
  /** … and until its event came over a socket, … */
  readonly frame: number[]
  /** … which includes all of the command itself when taken from its sending. */
  readonly frameFromSending: number[]
}

/** Sockets, each in a session of its own, that say when an event came. */
export interface Sockets {
  /** Settles with the time at which the frame of this revision was there, which may have been before. */
  frame(session: string, revision: number): Promise<number>
  has(session: string): boolean
  close(): void
}

export async function joinSessions(server: Server, sessions: readonly string[]): Promise<Sockets> {
  const headers = await bearer()
  const came = new Map<string, number>()
  const waiting = new Map<string, (at: number) => void>()
  const open = (session: string) =>
    new Promise<WebSocket>((joined, failed) => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/onboarding`, { headers })
      socket.on('error', failed)
      socket.on('open', () =>
        socket.send(JSON.stringify({ event: 'join_session', data: { sessionId: session } })),
      )
      socket.on('message', (data) => {
        const at = performance.now()
        const { event, seq } = JSON.parse(String(data)) as { event: string; seq?: number }
        if (event === 'joined') joined(socket)
        if (seq === undefined) return
        const name = `${session} ${seq}`
        const waiter = waiting.get(name)
        if (waiter) waiter(at)
        else came.set(name, at)
        waiting.delete(name)
      })
    })
  const sockets: WebSocket[] = []
  for (const session of sessions) sockets.push(await open(session))
  const watched = new Set(sessions)
  return {
    has: (session) => watched.has(session),
    frame(session, revision) {
      const name = `${session} ${revision}`
      const at = came.get(name)
      came.delete(name)
      return at === undefined ? new Promise((done) => waiting.set(name, done)) : Promise.resolve(at)
    },
    close() {
      for (const socket of sockets) socket.terminate()
    },
  }
}

/** Commands at a steady rate, whatever the answers take; waits for the row and, where a socket is there, the frame of each. */
export async function sendCommands(
  server: Server,
  sessions: readonly string[],
  offered: { readonly perSecond: number; readonly seconds: number },
  sockets: Sockets,
  rowSeen: (position: Position) => Promise<unknown>,
): Promise<Ages> {
  const headers = { ...(await bearer()), 'content-type': 'application/json' }
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const ages: Ages = { perSecond: 0, row: [], frame: [], frameFromSending: [] }
  const under: Promise<void>[] = []
  let last = 0
  const total = offered.perSecond * offered.seconds
  const begun = performance.now()
  const one = async (n: number) => {
    const session = sessions[n % sessions.length]!
    const sent = performance.now()
    const { position, revision } = await submit(agent, server.url, headers, session, n)
    const answered = performance.now()
    last = answered
    const row = rowSeen(position).then(() => ages.row.push(performance.now() - answered))
    if (sockets.has(session)) {
      const at = await sockets.frame(session, revision)
      ages.frame.push(Math.max(0, at - answered))
      ages.frameFromSending.push(at - sent)
    }
    await row
  }
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - begun) / 1000) * offered.perSecond))
    for (; sent < due; sent++) under.push(one(sent))
    await delay(TICK_MS)
  }
  await Promise.all(under)
  agent.destroy()
  return { ...ages, perSecond: total / ((last - begun) / 1000) }
}

function submit(
  agent: Agent,
  url: string,
  headers: Record<string, string>,
  session: string,
  n: number,
): Promise<{ position: Position; revision: number }> {
  return new Promise((done, fail) => {
    const path = `${url}/onboarding/step/${session}/company`
    const sending = request(path, { agent, method: 'PUT', headers }, (answer) => {
      answer.resume()
      answer.on('end', () => {
        const { etag, 'gangway-position': position } = answer.headers
        if (answer.statusCode !== 200) fail(new Error(`a command was answered ${answer.statusCode}`))
        else done({ position: String(position), revision: Number(etag!.replaceAll('"', '')) })
      })
    })
    sending.on('error', fail)
    sending.end(answerBody(n))
  })
}
