import type { Socket } from 'node:net'
import type { ServiceError } from '@grpc/grpc-js'
import { type Fault, Faults, type Operation } from './faults.ts'
import type { EventLog } from './log.ts'
import { notLeader, rpcError } from './messages.ts'
import type { Subscriber } from './subscriber.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** What the services of one node share: its log, the faults to come, who is connected, and its place in the cluster. */
export class Node {
  readonly log: EventLog
  readonly faults = new Faults()
  readonly sockets = new Map<string, Socket>()
  readonly subscribers = new Set<Subscriber>()
  /** Where the leader is, when it is not this node. */
  leader: Endpoint | undefined
  /** Members that gossip tells of; only itself unless told. */
  members: { endpoint: Endpoint; state: 'leader' | 'follower'; alive: boolean }[] = []
  /** Nothing is answered while it is set: the process is as good as stopped, its sockets open. */
  frozen = false
  stopped = false
  /** Subscriptions ever made, and reads that are open. */
  subscribed = 0
  reading = 0

  constructor(log: EventLog) {
    this.log = log
  }

  /** Resets the connection that a call came over. */
  reset(peer: string): void {
    this.sockets.get(peer)?.resetAndDestroy()
  }

  dropConnections(): void {
    for (const socket of this.sockets.values()) socket.resetAndDestroy()
  }

  refusesAsFollower(requiresLeader: boolean): ServiceError | undefined {
    if (!requiresLeader || !this.leader) return undefined
    return notLeader(this.leader.host, this.leader.port)
  }

  /** Carries a call out as the next fault of its operation says. */
  meet(
    operation: Operation,
    peer: string,
    call: {
      perform: (forgetIds?: boolean) => void
      answer: () => void
      refuse: (error: ServiceError) => void
    },
  ): void {
    if (this.frozen) return
    const fault = this.faults.take(operation)
    switch (fault?.kind) {
      case undefined:
      case 'endAfter':
      case 'tooSlowAfter':
      case 'downAfter':
      case 'silentAfter':
      case 'dropAfter':
        call.perform()
        call.answer()
        return
      case 'drop':
        this.reset(peer)
        return
      case 'stall':
        return
      case 'late':
        call.perform()
        this.#later(fault.ms, call.answer)
        return
      case 'doneLate':
        this.#later(fault.ms, () => {
          call.perform()
          call.answer()
        })
        return
      case 'loseAnswer':
        call.perform()
        this.reset(peer)
        return
      case 'withholdAnswer':
        call.perform()
        return
      case 'answerTwice':
        call.perform()
        call.answer()
        call.answer()
        return
      case 'forgetIds':
        call.perform(true)
        call.answer()
        return
      case 'fail':
      case 'notLeader':
        call.refuse(refusal(fault))
        return
    }
  }

  #later(ms: number, act: () => void): void {
    setTimeout(() => {
      if (!this.stopped) act()
    }, ms).unref()
  }
}

export function refusal(fault: Extract<Fault, { kind: 'fail' | 'notLeader' }>): ServiceError {
  if (fault.kind === 'notLeader') return notLeader(fault.host, fault.port)
  return rpcError(fault.code ?? 14, fault.message ?? 'The server is not ready.')
}
