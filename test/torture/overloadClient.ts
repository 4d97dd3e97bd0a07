import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

// Asks as often as it is told, without waiting for answers, on connections that are kept; says what came of it to its parent.

export interface Offer {
  readonly urls: readonly string[]
  /** One for each connection, at least: each is somebody of their own. */
  readonly sessions: readonly string[]
  readonly token: string
  readonly connections: number
  /** Requests a second, whether or not they are answered; without one, each connection asks when it was answered. */
  readonly rate: number | undefined
  readonly seconds: number
}

export interface Offered {
  readonly sent: number
  readonly accepted: number
  /** 429 or 503 with `Retry-After`. */
  readonly shed: number
  /** Anything else, no answer included. */
  readonly other: number
  /** Of what was accepted, in milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly statuses: Readonly<Record<string, number>>
}

const [offer] = (await once(process, 'message')) as [Offer]
const { urls, sessions, token, connections, rate, seconds } = offer
const GRACE_MS = 10_000

let sent = 0
let accepted = 0
let shed = 0
let other = 0
const statuses: Record<string, number> = {}
const latencies: number[] = []
const idle: Connection[] = []
const busy = new Set<Connection>()
let end = performance.now() + seconds * 1000

interface Connection {
  readonly socket: Socket
  readonly session: string
  text: string
  sentAt: number
}

function open(url: string, session: string): void {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  const connection: Connection = { socket, session, text: '', sentAt: 0 }
  socket.setEncoding('latin1')
  socket.on('connect', () => free(connection))
  socket.on('data', (text: string) => {
    connection.text += text
    const head = connection.text.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/content-length: (\d+)/i.exec(connection.text)?.[1] ?? 0)
    if (connection.text.length < head + 4 + length) return
    judge(connection, connection.text.slice(0, head))
    connection.text = ''
    busy.delete(connection)
    free(connection)
  })
  const gone = (why: string) => () => {
    const index = idle.indexOf(connection)
    if (index >= 0) idle.splice(index, 1)
    if (!busy.delete(connection)) return
    other += 1
    statuses[why] = (statuses[why] ?? 0) + 1
  }
  socket.on('error', (error: NodeJS.ErrnoException) => gone(error.code ?? error.message)())
  socket.on('close', gone('closed'))
}

function judge({ sentAt }: Connection, head: string): void {
  const status = head.slice(9, 12)
  statuses[status] = (statuses[status] ?? 0) + 1
  if (status.startsWith('2')) {
    accepted += 1
    latencies.push(performance.now() - sentAt)
  } else if ((status === '429' || status === '503') && /retry-after: \d+/i.test(head)) shed += 1
  else other += 1
}

function free(connection: Connection): void {
  if (rate === undefined && performance.now() < end) ask(connection)
  else idle.push(connection)
}

function ask(connection: Connection): void {
  const body = '{"type":"looked","value":1}'
  connection.sentAt = performance.now()
  busy.add(connection)
  sent += 1
  connection.socket.write(
    `POST /onboarding/track/${connection.session} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/json\r\nIdempotency-Key: ${randomUUID()}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
}

// It stands for many machines: what waits for this one's turn on the processor is not what the service takes.
try {
  setPriority(-10)
} catch {
  // Not allowed; then its times are those of a client that has to wait, too.
}
for (let n = 0; n < connections; n++) open(urls[n % urls.length]!, sessions[n]!)
if (rate !== undefined) {
  while (idle.length < connections) await delay(5)
  end = performance.now() + seconds * 1000
  let due = 0
  let last = performance.now()
  const tick = setInterval(() => {
    const now = Math.min(performance.now(), end)
    due += ((now - last) / 1000) * rate
    last = now
    for (; due >= 1 && idle.length > 0; due--) ask(idle.shift()!)
    // What cannot be sent for want of a connection is not sent later: it was not asked.
    due %= 1
    if (now >= end) clearInterval(tick)
  }, 5)
}
const finish = setInterval(() => {
  const late = performance.now() > end + GRACE_MS
  if (performance.now() < end || (busy.size > 0 && !late)) return
  clearInterval(finish)
  if (late) statuses['no answer'] = busy.size
  latencies.sort((a, b) => a - b)
  const quantile = (p: number) =>
    Math.round(latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * p))] ?? 0)
  const told: Offered = {
    sent,
    accepted,
    shed,
    other: other + (late ? busy.size : 0),
    p50: quantile(0.5),
    p99: quantile(0.99),
    statuses,
  }
  process.send!(told, () => process.exit(0))
}, 20)
