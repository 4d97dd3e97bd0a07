import type { RawData, WebSocket } from 'ws'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Presence } from '../services/presence.ts'
import type { Caller, VerifyToken } from './auth.ts'
import { joinStream, mayJoin } from './liveAccess.ts'
import { type ClientFrame, frameText, readFrame, type ServerData } from './liveFrames.ts'
import type { LiveHub } from './liveHub.ts'
import { type Join, joinSession, type Sink } from './liveJoin.ts'
import type { LiveSessions } from './liveSessions.ts'

/** Close codes (RFC 6455 §7.4); those from 4000 on are ours, after the HTTP status they resemble. */
export const CLOSE = {
  goingAway: 1001,
  policy: 1008,
  resync: 1013,
  unauthorized: 4401,
} as const

export interface LiveLimits {
  /** Within which a socket must have authenticated. */
  readonly authenticateMs: number
  readonly heartbeatMs: number
  /** Bytes that may wait for a socket that is live before it is told to come again. */
  readonly maxBufferedBytes: number
  readonly maxJoins: number
  readonly framesPerSecond: number
}

export const DEFAULT_LIMITS: LiveLimits = {
  authenticateMs: 10_000,
  heartbeatMs: 30_000,
  maxBufferedBytes: 1024 * 1024,
  maxJoins: 100,
  framesPerSecond: 50,
}

export interface ConnectionDependencies {
  readonly store: EventStore
  readonly hub: LiveHub
  readonly sessions: LiveSessions
  readonly presence: Presence
  readonly verifyToken: VerifyToken
  readonly limits: LiveLimits
  readonly now: () => number
  readonly onError: (error: unknown) => void
}

/** One socket, from its handshake to its end. */
export interface Connection {
  /** Looks at the clock; called every second. */
  tick(now: number): void
  /** Pings, or gives the socket up when the last ping was not answered. */
  heartbeat(): void
  close(code: number, reason: string): void
}

interface Joined {
  readonly join: Join
  readonly userId: string | null
  readonly stopCounting: () => void
}

/** So many seconds' frames may come at once. */
const BURST_SECONDS = 4
/** Buffered bytes up to which a socket that reads from the log is given more at once. */
const PACE_BYTES = 256 * 1024

export function openConnection(deps: ConnectionDependencies, ws: WebSocket, known?: Caller): Connection {
  const { hub, limits, now, onError, presence, sessions, store, verifyToken } = deps
  const joins = new Map<string, Joined>()
  const openedAt = now()
  let caller: Caller | undefined
  let stopCounting = () => {}
  let answered = true
  let closing = false
  const burst = BURST_SECONDS * limits.framesPerSecond
  let allowance = burst
  let allowedAt = openedAt
  let waiting = 0
  let turn = Promise.resolve()

  const sink: Sink = {
    send(bytes) {
      if (closing) return false
      if (ws.bufferedAmount + bytes.length > limits.maxBufferedBytes) {
        resync()
        return false
      }
      ws.send(bytes, TEXT)
      return true
    },
    async sendPaced(bytes) {
      if (closing) return false
      if (ws.bufferedAmount < PACE_BYTES) ws.send(bytes, TEXT)
      else await new Promise<void>((sent) => ws.send(bytes, TEXT, () => sent()))
      return !closing && ws.readyState === ws.OPEN
    },
  }
  const send = (text: string) => sink.send(Buffer.from(text))
  const refuse = (data: ServerData<'error'>) => send(frameText('error', data))

  function resync(): void {
    const told = [...joins].map(([sessionId, { join }]) => ({ sessionId, sent: join.sent }))
    ws.send(frameText('resync_required', { sessions: told }))
    close(CLOSE.resync, 'resync_required')
  }

  function close(code: number, reason: string): void {
    if (closing) return
    closing = true
    leaveAll()
    ws.close(code, reason)
  }

  function leaveAll(keep: (joined: Joined) => boolean = () => false): void {
    for (const [sessionId, joined] of joins) if (!keep(joined)) leave(sessionId)
  }

  function leave(sessionId: string): void {
    const joined = joins.get(sessionId)
    if (!joined) return
    joins.delete(sessionId)
    joined.join.leave()
    joined.stopCounting()
  }

  function welcome(next: Caller): void {
    if (next.expiresAt * 1000 <= now()) {
      close(CLOSE.unauthorized, 'token_expired')
      return
    }
    if (!caller) stopCounting = presence.enter('user', next.tenant, next.sub)
    caller = next
    leaveAll(({ userId }) => mayJoin(next, userId))
    send(
      frameText('connected', {
        userId: next.sub,
        tenantId: next.tenant,
        roles: [...next.roles],
        expiresAt: new Date(next.expiresAt * 1000).toISOString(),
      }),
    )
  }

  async function authenticate(token: string): Promise<void> {
    const next = await verifyToken(token)
    if (closing) return
    if ('invalid' in next) {
      refuse({ code: 'token_invalid', detail: next.invalid, event: 'authenticate' })
      if (!caller) close(CLOSE.unauthorized, 'token_invalid')
      return
    }
    if (caller && (caller.sub !== next.sub || caller.tenant !== next.tenant)) {
      const detail = 'A fresh token must be of the same caller; open another socket for another one.'
      refuse({ code: 'forbidden', detail, event: 'authenticate' })
      return
    }
    welcome(next)
  }

  async function handle(frame: ClientFrame): Promise<void> {
    const { event } = frame
    if (event === 'authenticate') return authenticate(frame.data.token)
    if (!caller) {
      refuse({ code: 'unauthenticated', detail: 'The first frame must be "authenticate".', event })
      return
    }
    const { sessionId } = frame.data
    if (event === 'leave_session') return leave(sessionId)
    const access = await joinStream(sessions, caller, sessionId)
    if (closing) return
    if ('code' in access) {
      refuse({ ...access, event, sessionId })
      return
    }
    if (event === 'get_progress') {
      const progress = await sessions.progressFrame(caller.tenant, sessionId)
      if (progress) send(progress)
      return
    }
    join(caller, sessionId, access.stream, access.userId, frame.data.after)
  }

  function join(by: Caller, sessionId: string, stream: string, userId: string | null, after?: number): void {
    leave(sessionId)
    if (joins.size >= limits.maxJoins) {
      const detail = `A socket may join ${limits.maxJoins} sessions.`
      refuse({ code: 'too_many_sessions', detail, event: 'join_session', sessionId })
      return
    }
    const tellProgress = async () => {
      const progress = await sessions.progressFrame(by.tenant, sessionId)
      if (progress) send(progress)
    }
    const joined: Joined = {
      userId,
      stopCounting: presence.enter('session', by.tenant, sessionId),
      join: joinSession({
        store,
        hub,
        sink,
        stream,
        sessionId,
        after,
        onJoined: (revision, from) => send(frameText('joined', { sessionId, revision, after: from })),
        onCaughtUp: () => void tellProgress().catch(onError),
        onError(error) {
          onError(error)
          if (joins.get(sessionId) !== joined) return
          leave(sessionId)
          const detail = 'The session cannot be read now; join again with the last seq as "after".'
          refuse({ code: 'unavailable', detail, event: 'join_session', sessionId })
        },
      }),
    }
    joins.set(sessionId, joined)
  }

  /** Refuses what comes too fast; whoever goes on regardless is closed. */
  function admitted(): boolean {
    const at = now()
    const since = Math.max(0, at - allowedAt) / 1000
    allowance = Math.min(burst, allowance + since * limits.framesPerSecond)
    allowedAt = at
    allowance -= 1
    if (allowance < -burst) close(CLOSE.policy, 'too_many_frames')
    if (allowance >= 0) return true
    refuse({ code: 'rate_limited', detail: `A socket may send ${limits.framesPerSecond} frames a second.` })
    return false
  }

  function onMessage(data: RawData, isBinary: boolean): void {
    answered = true
    if (closing || !admitted()) return
    const frame = isBinary ? BINARY : readFrame(data as Buffer)
    if ('fault' in frame) {
      refuse(frame.fault)
      return
    }
    if (waiting > burst) {
      close(CLOSE.policy, 'too_many_frames')
      return
    }
    // One after the other: who joins and leaves has left.
    waiting += 1
    turn = turn
      .then(() => (closing ? undefined : handle(frame)))
      .catch((error) => {
        onError(error)
        refuse({ code: 'unavailable', detail: 'Not possible right now; try again.', event: frame.event })
      })
      .then(() => {
        waiting -= 1
      })
  }

  ws.on('message', onMessage)
  ws.on('pong', () => {
    answered = true
  })
  ws.on('close', () => {
    closing = true
    leaveAll()
    stopCounting()
  })
  if (known) welcome(known)

  return {
    tick(at) {
      if (closing) return
      if (!caller && at - openedAt >= limits.authenticateMs) {
        refuse({ code: 'unauthenticated', detail: 'No "authenticate" frame came in time.' })
        close(CLOSE.unauthorized, 'authentication_timeout')
      } else if (caller && caller.expiresAt * 1000 <= at) {
        refuse({ code: 'token_expired', detail: 'The token has ended; connect again with a fresh one.' })
        close(CLOSE.unauthorized, 'token_expired')
      }
    },
    heartbeat() {
      if (!answered) return ws.terminate()
      answered = false
      if (ws.readyState === ws.OPEN) ws.ping()
    },
    close,
  }
}

const BINARY = { fault: { code: 'binary_frame', detail: 'Frames are text.' } } as const
const TEXT = { binary: false, compress: true } as const
