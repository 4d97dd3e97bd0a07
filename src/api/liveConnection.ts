import type { RawData } from 'ws'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Presence } from '../services/presence.ts'
import type { Caller, VerifyToken } from './auth.ts'
import { type JoinableStream, joinStream, mayJoin } from './liveAccess.ts'
import { type ClientFrame, frameText, readFrame, type ServerData } from './liveFrames.ts'
import type { LiveHub } from './liveHub.ts'
import { joinSession, type Sink } from './liveJoin.ts'
import { type Joined, LiveJoins } from './liveJoins.ts'
import { BURST_SECONDS, CLOSE, FrameAllowance, type LiveLimits } from './liveLimits.ts'
import type { LiveSessions } from './liveSessions.ts'
import type { LiveSocket, SocketListener } from './liveSocket.ts'
import { SharedTexts, sendShared, sendTextPaced } from './liveWire.ts'

export interface ConnectionDependencies {
  readonly store: EventStore
  readonly hub: LiveHub
  readonly sessions: LiveSessions
  readonly presence: Presence
  readonly verifyToken: VerifyToken
  readonly limits: LiveLimits
  readonly now: () => number
  readonly onError: (error: unknown) => void
  readonly onEnd: (connection: Connection) => void
}

/**
 * One socket, from its handshake to its end. A class and no closures, and nothing made before it is needed: a node holds tens of
 * thousands of them, most of them idle.
 */
export class Connection implements Sink, SocketListener {
  readonly #deps: ConnectionDependencies
  readonly #ws: LiveSocket
  readonly #openedAt: number
  #caller: Caller | undefined
  #joins: LiveJoins | undefined
  #answered = true
  #closing = false
  #allowance: FrameAllowance | undefined
  /** Frames that wait for their turn, and the last of them. */
  #waiting = 0
  #turn: Promise<void> | undefined

  constructor(deps: ConnectionDependencies, ws: LiveSocket) {
    this.#deps = deps
    this.#openedAt = deps.now()
    this.#ws = ws
    ws.listener = this
  }

  /** Says who the socket is for, at first or with a fresh token. */
  welcome(caller: Caller): void {
    const { now, presence } = this.#deps
    if (caller.expiresAt * 1000 <= now()) {
      this.close(CLOSE.unauthorized, 'token_expired')
      return
    }
    if (!this.#caller) presence.enter('user', caller.tenant, caller.sub)
    this.#caller = caller
    this.#joins?.leaveAll(({ userId }) => mayJoin(caller, userId))
    this.#tell(
      frameText('connected', {
        userId: caller.sub,
        tenantId: caller.tenant,
        roles: [...caller.roles],
        expiresAt: new Date(caller.expiresAt * 1000).toISOString(),
      }),
    )
  }

  send(texts: SharedTexts): boolean {
    if (this.#closing) return false
    if (this.#ws.bufferedAmount + texts.bytes > this.#deps.limits.maxBufferedBytes) {
      this.#resync()
      return false
    }
    sendShared(this.#ws, texts)
    return true
  }

  async sendPaced(bytes: Buffer): Promise<boolean> {
    if (this.#closing) return false
    await sendTextPaced(this.#ws, bytes)
    return !this.#closing && this.#ws.readyState === this.#ws.OPEN
  }

  /** Looks at the clock; called every second. */
  tick(now: number): void {
    if (this.#closing) return
    if (!this.#caller && now - this.#openedAt >= this.#deps.limits.authenticateMs) {
      this.#refuse({ code: 'unauthenticated', detail: 'No "authenticate" frame came in time.' })
      this.close(CLOSE.unauthorized, 'authentication_timeout')
    } else if (this.#caller && this.#caller.expiresAt * 1000 <= now) {
      this.#refuse({ code: 'token_expired', detail: 'The token has ended; connect again with a fresh one.' })
      this.close(CLOSE.unauthorized, 'token_expired')
    }
  }

  /** Pings, or gives the socket up when nothing came since the last time. */
  heartbeat(): void {
    if (!this.#answered) this.#ws.terminate()
    else if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping()
    this.#answered = false
  }

  close(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = true
    this.#joins?.leaveAll()
    this.#ws.close(code, reason)
  }

  /** Ends it without a word. */
  terminate(): void {
    this.#ws.terminate()
  }

  ended(): void {
    this.#closing = true
    this.#joins?.leaveAll()
    const { presence, onEnd } = this.#deps
    if (this.#caller) presence.leave('user', this.#caller.tenant, this.#caller.sub)
    onEnd(this)
  }

  alive(): void {
    this.#answered = true
  }

  receive(data: RawData, isBinary: boolean): void {
    this.#answered = true
    if (this.#closing || !this.#admitted()) return
    const frame = readFrame(data as Buffer, isBinary)
    if ('fault' in frame) {
      this.#refuse(frame.fault)
      return
    }
    if (this.#waiting > BURST_SECONDS * this.#deps.limits.framesPerSecond) {
      this.close(CLOSE.policy, 'too_many_frames')
      return
    }
    // One after the other: who joins and leaves has left.
    this.#waiting += 1
    this.#turn = (this.#turn ?? Promise.resolve())
      .then(() => (this.#closing ? undefined : this.#handle(frame)))
      .catch((error) => {
        this.#deps.onError(error)
        const detail = 'Not possible right now; try again.'
        this.#refuse({ code: 'unavailable', detail, event: frame.event })
      })
      .then(() => {
        this.#waiting -= 1
        if (this.#waiting === 0) this.#turn = undefined
      })
  }

  /** Refuses what comes too fast; whoever goes on regardless is closed. */
  #admitted(): boolean {
    const { limits, now } = this.#deps
    const at = now()
    this.#allowance ??= new FrameAllowance(limits.framesPerSecond, at)
    const verdict = this.#allowance.take(limits.framesPerSecond, at)
    if (verdict === 'flood') this.close(CLOSE.policy, 'too_many_frames')
    if (verdict === 'taken') return true
    this.#refuse({
      code: 'rate_limited',
      detail: `A socket may send ${limits.framesPerSecond} frames a second.`,
    })
    return false
  }

  async #handle(frame: ClientFrame): Promise<void> {
    const { event } = frame
    if (event === 'authenticate') return this.#authenticate(frame.data.token)
    const caller = this.#caller
    if (!caller) {
      this.#refuse({ code: 'unauthenticated', detail: 'The first frame must be "authenticate".', event })
      return
    }
    const { sessionId } = frame.data
    if (event === 'leave_session') return this.#joins?.leave(sessionId)
    const access = await joinStream(this.#deps.sessions, caller, sessionId)
    if (this.#closing) return
    if ('code' in access) this.#refuse({ ...access, event, sessionId })
    else if (event === 'get_progress') await this.#tellProgress(caller, sessionId)
    else this.#join(caller, sessionId, access, frame.data.after)
  }

  async #authenticate(token: string): Promise<void> {
    const next = await this.#deps.verifyToken(token)
    const caller = this.#caller
    if (this.#closing) return
    if ('invalid' in next) {
      this.#refuse({ code: 'token_invalid', detail: next.invalid, event: 'authenticate' })
      if (!caller) this.close(CLOSE.unauthorized, 'token_invalid')
    } else if (caller && (caller.sub !== next.sub || caller.tenant !== next.tenant)) {
      const detail = 'A fresh token must be of the same caller; open another socket for another one.'
      this.#refuse({ code: 'forbidden', detail, event: 'authenticate' })
    } else this.welcome(next)
  }

  #join(caller: Caller, sessionId: string, { stream, userId }: JoinableStream, after?: number): void {
    const { limits, onError, presence, store, hub } = this.#deps
    this.#joins ??= new LiveJoins(presence, caller.tenant)
    const joins = this.#joins
    joins.leave(sessionId)
    if (joins.size >= limits.maxJoins) {
      const detail = `A socket may join ${limits.maxJoins} sessions.`
      this.#refuse({ code: 'too_many_sessions', detail, event: 'join_session', sessionId })
      return
    }
    const joined: Joined = {
      userId,
      join: joinSession({
        store,
        hub,
        sink: this,
        stream,
        sessionId,
        after,
        onJoined: (revision, from) => this.#tell(frameText('joined', { sessionId, revision, after: from })),
        onCaughtUp: () => void this.#tellProgress(caller, sessionId).catch(onError),
        onError: (error) => {
          onError(error)
          if (!joins.has(sessionId, joined)) return
          joins.leave(sessionId)
          const detail = 'The session cannot be read now; join again with the last seq as "after".'
          this.#refuse({ code: 'unavailable', detail, event: 'join_session', sessionId })
        },
      }),
    }
    joins.add(sessionId, joined)
  }

  #resync(): void {
    const sessions = this.#joins?.sent() ?? []
    this.#ws.send(frameText('resync_required', { sessions }))
    this.close(CLOSE.resync, 'resync_required')
  }

  async #tellProgress(caller: Caller, sessionId: string): Promise<void> {
    const progress = await this.#deps.sessions.progressFrame(caller.tenant, sessionId)
    if (progress) this.#tell(progress)
  }

  #tell(text: string): void {
    this.send(new SharedTexts([Buffer.from(text)]))
  }

  #refuse(data: ServerData<'error'>): void {
    this.#tell(frameText('error', data))
  }
}
