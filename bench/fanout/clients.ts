// The clients of the fanout bench: opens sockets and counts what they get. Told what to do by its parent.
import { WebSocket } from 'ws'
import { cpuTime } from './cpuTime.ts'

interface Client {
  received: number
}

interface Group {
  readonly clients: Client[]
  received: number
  last: string
  waiting: { total: number; reached: () => void } | undefined
}

interface Message {
  readonly id: number
  readonly do: 'connect' | 'receive' | 'sample' | 'cpu' | 'stop'
  readonly group: string
  readonly url: string
  readonly count: number
  /** Messages that each client is to get. */
  readonly each: number
  readonly token?: string
  readonly session?: string
}

const groups = new Map<string, Group>()
const AT_ONCE = 100

process.on('message', async (message: Message) => {
  if (message.do === 'stop') process.exit(0)
  process.send!({ id: message.id, ...(await act(message).catch((error) => ({ error: String(error) }))) })
})
process.on('disconnect', () => process.exit(0))
process.send!({ id: -1 })

async function act(message: Message): Promise<object> {
  const group = groups.get(message.group) ?? { clients: [], received: 0, last: '', waiting: undefined }
  groups.set(message.group, group)
  switch (message.do) {
    case 'connect':
      for (let i = 0; i < message.count; i += AT_ONCE)
        await Promise.all(
          Array.from({ length: Math.min(AT_ONCE, message.count - i) }, () => open(message, group)),
        )
      return {}
    case 'receive':
      group.received = 0
      for (const client of group.clients) client.received = 0
      await new Promise<void>((reached) => {
        group.waiting = { total: message.each * group.clients.length, reached }
      })
      if (group.clients.some(({ received }) => received !== message.each))
        throw new Error('a client got less than all messages, and another more')
      return {}
    case 'sample':
      return { text: group.last }
    case 'cpu':
      return { cpu: cpuTime() }
    case 'stop':
      return {}
  }
}

/** Ready once it is open and, where a session is named, has joined it and was told its progress. */
function open({ url, token, session }: Message, group: Group): Promise<void> {
  const ws = new WebSocket(`${url.replace('http', 'ws')}/onboarding`, {
    perMessageDeflate: false,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  })
  const client = { received: 0 }
  group.clients.push(client)
  return new Promise((ready, failed) => {
    ws.on('error', failed)
    const count = (data: Buffer) => {
      client.received += 1
      group.received += 1
      const { waiting } = group
      if (waiting === undefined || group.received < waiting.total) return
      group.last = String(data)
      group.waiting = undefined
      waiting.reached()
    }
    if (session === undefined) {
      ws.on('open', ready)
      ws.on('message', count)
      return
    }
    ws.on('open', () => ws.send(JSON.stringify({ event: 'join_session', data: { sessionId: session } })))
    const prepare = (data: Buffer) => {
      if (JSON.parse(String(data)).event !== 'progress_update') return
      ws.off('message', prepare)
      ws.on('message', count)
      ready()
    }
    ws.on('message', prepare)
  })
}
