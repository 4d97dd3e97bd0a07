import { WebSocket } from 'ws'
import { issueToken } from '../../src/api/auth.ts'

export interface Answer<Body = any> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export interface Frame {
  readonly event: string
  readonly data: any
  readonly seq?: number
}

/** A caller of the service, over real HTTP: who they are in which tenant, and nothing that the service does not give. */
export class Client {
  readonly url: string
  readonly token: string

  constructor(url: string, token: string) {
    this.url = url
    this.token = token
  }

  static async as(
    service: { readonly url: string; readonly jwtSecret: string },
    tenant: string,
    sub: string,
    ...roles: string[]
  ): Promise<Client> {
    return new Client(service.url, await issueToken(service.jwtSecret, { sub, tenant, roles }, 3600))
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const json =
      /json/.test(response.headers.get('content-type') ?? '') &&
      !/ndjson/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text }
  }

  get = (path: string, headers?: Record<string, string>) => this.send('GET', path, undefined, headers)
  post = (path: string, body?: unknown, headers?: Record<string, string>) =>
    this.send('POST', path, body, headers)
  put = (path: string, body?: unknown, headers?: Record<string, string>) =>
    this.send('PUT', path, body, headers)

  /** Sends lines of history. */
  importLines(flowId: string, lines: string | AsyncIterable<Uint8Array>): Promise<Answer> {
    const body = typeof lines === 'string' ? lines : ReadableStream.from(lines)
    return fetch(`${this.url}/imports?flowId=${encodeURIComponent(flowId)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/x-ndjson' },
      body,
      duplex: 'half',
    } as RequestInit).then(async (response) => ({
      status: response.status,
      headers: response.headers,
      body: await response.json(),
    }))
  }

  async socket(): Promise<Socket> {
    const socket = new Socket(
      new WebSocket(`${this.url.replace('http', 'ws')}/onboarding`, {
        headers: { authorization: `Bearer ${this.token}` },
      }),
    )
    await socket.next('connected')
    return socket
  }
}

/** A socket that keeps what it received. */
export class Socket {
  readonly frames: Frame[] = []
  readonly #socket: WebSocket
  #taken = 0
  #wake: (() => void)[] = []

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (text) => {
      this.frames.push(JSON.parse(String(text)))
      for (const wake of this.#wake.splice(0)) wake()
    })
  }

  send(event: string, data: unknown): void {
    this.#socket.send(JSON.stringify({ event, data }))
  }

  /** The next frame of the kind, passing over others; fails after five seconds. */
  async next(event: string, timeoutMs = 5000): Promise<Frame> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      while (this.#taken < this.frames.length) {
        const frame = this.frames[this.#taken++]!
        if (frame.event === event) return frame
      }
      const left = deadline - Date.now()
      if (left <= 0)
        throw new Error(
          `no ${event} came; there were ${this.frames.map((frame) => frame.event).join(', ') || 'none'}`,
        )
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, left)
        this.#wake.push(() => {
          clearTimeout(timer)
          wake()
        })
      })
    }
  }

  close(): Promise<void> {
    return new Promise((closed) => {
      this.#socket.once('close', () => closed())
      this.#socket.close()
    })
  }
}
