import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import type { History } from './history.ts'
import type { Node } from './node.ts'
import type { Held } from './probe.ts'
import { TENANTS, token } from './tenants.ts'
import type { World } from './world.ts'

const RECONNECTS = 1000
const AT_ONCE = 50
const SETTLE_MS = 25_000

/**
 * What may be left of 1,000 reconnects. Not nothing: caches fill, code is compiled, timers come and go. A thing kept of each would be
 * 1,000, so a tenth of that is told apart from either.
 */
const TOLERATED = {
  heapBytes: 3_000_000,
  handles: 8,
  functions: 100,
  emitters: 25,
} as const

/** Invariant 9: after 1,000 reconnects of clients and 10 of the database, each process holds what it held before. */
export async function nothingLeaks(
  { api, nodes, log: known }: World,
  history: History,
  log: (line: string) => void,
): Promise<void> {
  const session = known.events.find(({ stream }) => stream.startsWith(`session-${TENANTS[0]}_`))!
  const id = session.stream.slice(session.stream.indexOf('_') + 1)
  const member = await token(TENANTS[0], 'member', 'member')
  const everywhere = async (count: number, cuts: number) => {
    await Promise.all(api.map((node) => reconnect(node, count, id, member)))
    for (let cut = 0; cut < cuts; cut++) {
      for (const { back } of nodes) back.cut()
      await delay(50)
      for (const { back } of nodes) back.heal()
      await delay(450)
    }
  }
  // What is made once and kept is made before it counts.
  await everywhere(150, 2)
  const before = await settled(nodes)
  const began = performance.now()
  await everywhere(RECONNECTS, 10)
  log(`     reconnected in ${Math.round((performance.now() - began) / 1000)} s`)
  let leaks: unknown[] = []
  for (const deadline = performance.now() + SETTLE_MS; ; await delay(1000)) {
    const after = await Promise.all(nodes.map((node) => node.held()))
    leaks = nodes.flatMap(({ name }, index) => grown(name, before[index]!, after[index]!))
    if (leaks.length === 0 || performance.now() > deadline) {
      const told = nodes.map(
        ({ name }, index) =>
          `${name} ${megabytes(before[index]!.heapBytes)} → ${megabytes(after[index]!.heapBytes)} MB, functions ${before[index]!.functions} → ${after[index]!.functions}`,
      )
      log(`     ${RECONNECTS} reconnects: ${told.join('; ')}`)
      break
    }
  }
  if (leaks.length > 0) history.violated(9, 'a process holds more after reconnects than before', leaks)
  history.count('reconnects', RECONNECTS * api.length)
}

function grown(name: string, before: Held, after: Held): unknown[] {
  const sum = ({ handles }: Held) => Object.values(handles).reduce((total, n) => total + n, 0)
  const measures = (held: Held) => ({ ...held, handles: sum(held) })
  const [was, is] = [measures(before), measures(after)]
  return (Object.keys(TOLERATED) as (keyof typeof TOLERATED)[])
    .filter((what) => is[what] > was[what] + TOLERATED[what])
    .map((what) => ({ name, what, before: was[what], after: is[what], handles: after.handles }))
}

const megabytes = (bytes: number) => Math.round(bytes / 100_000) / 10

/** Once two looks a second apart see about the same. */
async function settled(nodes: readonly Node[]): Promise<Held[]> {
  let last = await Promise.all(nodes.map((node) => node.held()))
  for (let look = 0; look < 3; look++) {
    await delay(1000)
    const next = await Promise.all(nodes.map((node) => node.held()))
    const same = next.every((held, index) => Math.abs(held.functions - last[index]!.functions) < 20)
    last = next
    if (same) break
  }
  return last
}

/** Two of three are sockets that join a session, the third half a request; every other one ends without a goodbye. */
async function reconnect({ url }: Node, count: number, session: string, bearer: string): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) {
      const n = next++
      await (n % 3 === 0 ? halfRequest(url, bearer) : joinAndLeave(url, session, bearer, n % 2 === 0))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

async function joinAndLeave(url: string, session: string, bearer: string, abruptly: boolean): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/onboarding`, {
    headers: { authorization: `Bearer ${bearer}` },
  })
  socket.on('error', () => {})
  // An error is an end like any other: a machine that is slow enough gives up here, too.
  const closed = once(socket, 'close').catch(() => {})
  const late = setTimeout(() => socket.terminate(), 5000)
  socket.on('open', () =>
    socket.send(JSON.stringify({ event: 'join_session', data: { sessionId: session, after: -1 } })),
  )
  socket.on('message', (bytes) => {
    if (JSON.parse(String(bytes)).event !== 'joined') return
    if (abruptly) socket.terminate()
    else socket.close()
  })
  await closed
  clearTimeout(late)
}

async function halfRequest(url: string, bearer: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  const closed = once(socket, 'close').catch(() => {})
  socket.on('connect', () => {
    socket.write(
      `POST /onboarding/start HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${bearer}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{"flowId":',
    )
    setTimeout(() => socket.destroy(), 5)
  })
  await closed
}
