import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { ask, type Retrying, send } from './client.ts'
import type { Told } from './history.ts'

const SILENCE_MS = 3000

/** What a socket saw of its session, over all its connections. */
export interface Seen {
  readonly stream: string
  readonly events: { readonly revision: number; readonly text: string }[]
  /** Connects anew where the watching stopped, once, and reads to a revision. */
  last: number
}

/** Follows a session over sockets that break, resuming after what it saw last. */
export async function watchSession(
  options: Retrying & {
    readonly tenant: string
    readonly token: string
    readonly session: string
    readonly seen: Seen
  },
): Promise<void> {
  const { urls, history, random, going, token, session, seen } = options
  while (going()) {
    const socket = new WebSocket(`${random.pick(urls).replace('http', 'ws')}/onboarding`, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: SILENCE_MS,
    })
    let heard = performance.now()
    const alive = setInterval(() => {
      if (!going() || performance.now() - heard > SILENCE_MS) socket.terminate()
      else if (socket.readyState === WebSocket.OPEN) socket.ping()
    }, 500)
    socket.on('pong', () => {
      heard = performance.now()
    })
    socket.on('open', () =>
      socket.send(JSON.stringify({ event: 'join_session', data: { sessionId: session, after: seen.last } })),
    )
    socket.on('message', (bytes) => {
      heard = performance.now()
      const frame = JSON.parse(String(bytes))
      if (frame.event === 'error') history.count(`socket error ${frame.data?.code}`)
      if (frame.seq === undefined) return
      if (frame.seq !== seen.last + 1)
        history.violated(5, `a socket saw ${frame.seq} after ${seen.last} of ${session}`, frame)
      seen.last = frame.seq
      seen.events.push({ revision: frame.seq, text: String(bytes) })
    })
    socket.on('error', () => {})
    await new Promise((closed) => socket.once('close', closed))
    clearInterval(alive)
    history.count('socket connections')
    await delay(random.between(10, 200))
  }
}

/** Reads a tenant's events page by page as they come, and notes their order. */
export async function watchLog(
  options: Retrying & { readonly tenant: string; readonly token: string; readonly ids: string[] },
): Promise<void> {
  const { urls, history, random, going, token, tenant, ids } = options
  let from = '0'
  while (going()) {
    const path = `/audit/events?from=${from}&limit=100`
    const page = await send(random.pick(urls), { method: 'GET', path, body: undefined, token }).catch(
      () => undefined,
    )
    if (page?.status !== 200) {
      await delay(200)
      continue
    }
    for (const event of page.body.data) {
      if (BigInt(event.position) <= BigInt(from))
        history.violated(3, `position ${event.position} came after ${from}`, event)
      if (event.metadata.tenant !== tenant)
        history.violated(6, `an event of ${event.metadata.tenant} was shown to ${tenant}`, event)
      from = event.position
      ids.push(event.id)
    }
    if (page.body.data.length < 100) await delay(random.between(20, 200))
  }
}

/** The same history sent again and again, sometimes to two nodes at once. */
export async function importer(
  options: Retrying & {
    readonly tenant: string
    readonly token: string
    readonly flowId: string
    readonly lines: () => string
  },
): Promise<void> {
  const { history, random, tenant, token, going } = options
  for (let n = 0; going(); n++) {
    const told: Told = {
      tenant,
      token,
      key: `import-${tenant}-${n}`,
      method: 'POST',
      path: `/imports?flowId=${options.flowId}`,
      body: options.lines(),
      records: false,
      lost: [],
    }
    const twice = random.chance(0.3) ? [told, { ...told, key: `${told.key}-2`, lost: [] }] : [told]
    const answers = await Promise.all(twice.map((one) => ask(one, options)))
    for (const answer of answers) {
      if (!answer) continue
      history.count('imports')
      if (answer.status !== 200 || answer.body.rejected.length > 0)
        history.violated(
          7,
          `an import was answered ${answer.status} with rejections`,
          answer.text.slice(0, 2000),
        )
    }
    await delay(random.between(200, 1500))
  }
}
