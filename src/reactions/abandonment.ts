import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { sessionAggregate } from '../commands/aggregates.ts'
import type { Flows } from '../commands/flows.ts'
import type { CommandContext, Handle } from '../commands/handle.ts'
import { flowUnknown } from '../commands/sessions.ts'
import type { Refusal } from '../domain/decider.ts'
import { flowOfSession } from '../domain/flowOverrides.ts'
import { derivedId } from '../domain/ids.ts'
import type { AbandonSession } from '../domain/sessionCommands.ts'
import { type Lease, releaseLease, takeLease } from '../projections/lease.ts'
import { type AbandonmentCandidate, abandonmentCandidates } from '../projections/sessionQueries.ts'

export interface AbandonmentOptions {
  readonly pool: pg.Pool
  readonly handle: Handle
  readonly flows: Flows
  readonly now: () => Date
  readonly onError: (error: unknown) => void
  /** Milliseconds between two looks; a minute unless told. */
  readonly everyMs?: number
}

export interface Abandonment {
  /** One look now. Answers how many sessions were given up; none where another node has the turn. */
  look(): Promise<number>
  stop(): Promise<void>
}

const LEASE = 'abandonment'
const PAGE = 500
const AT_ONCE = 10

/**
 * Gives up sessions in which nothing happened for their flow's `abandonAfterHours`, by a command like any other: it is decided on
 * the session as it is then, so somebody who came back in the last moment is not thrown out. One node at a time looks.
 */
export function startAbandonment(options: AbandonmentOptions): Abandonment {
  const { pool, onError, everyMs = 60_000 } = options
  const holder = randomUUID()
  let stopped = false
  let looking: Promise<number> = Promise.resolve(0)

  const look = async (): Promise<number> => {
    const client = await pool.connect()
    let fault: Error | undefined
    try {
      let abandoned = 0
      while (!stopped) {
        const lease = await takeLease(client, LEASE, holder)
        if (!lease) break
        const given = await giveUp(options, client, lease)
        abandoned += given
        if (given === 0) {
          await releaseLease(client, lease)
          break
        }
      }
      return abandoned
    } catch (error) {
      fault = error as Error
      throw error
    } finally {
      client.release(fault)
    }
  }
  const next = () => {
    looking = looking
      .catch(() => 0)
      .then(() => (stopped ? 0 : look()))
      .catch((error) => {
        onError(error)
        return 0
      })
    return looking
  }
  const timer = setInterval(next, everyMs)
  timer.unref()

  return {
    look: next,
    async stop() {
      stopped = true
      clearInterval(timer)
      await looking
    },
  }
}

/** One page of those whose time is over; those that the read model shows late are found alive and left alone. */
async function giveUp(options: AbandonmentOptions, client: pg.PoolClient, lease: Lease): Promise<number> {
  const now = options.now().toISOString()
  const candidates = await abandonmentCandidates(client, now, PAGE)
  let abandoned = 0
  for (let i = 0; i < candidates.length; i += AT_ONCE) {
    // The lease runs out in seconds: it is held for each handful anew.
    if (!(await takeLease(client, lease.name, lease.holder))) break
    const outcomes = await Promise.all(
      candidates.slice(i, i + AT_ONCE).map((candidate) => abandon(options, candidate, now)),
    )
    abandoned += outcomes.filter(Boolean).length
  }
  return abandoned
}

async function abandon(
  { handle, flows }: AbandonmentOptions,
  { tenant, sessionId, lastActivityAt }: AbandonmentCandidate,
  at: string,
): Promise<boolean> {
  const outcome = await handle(
    sessionAggregate,
    sessionId,
    context(tenant, derivedId('abandonment', tenant, sessionId, lastActivityAt), at),
    async (session): Promise<AbandonSession | Refusal> => {
      const published = await flows.find(tenant, session.flowId, session.flowVersion)
      return published
        ? { type: 'AbandonSession', reason: 'inactivity', flow: flowOfSession(published.flow, session), at }
        : flowUnknown(session.flowId)
    },
  )
  return outcome.kind === 'accepted' && outcome.events.length > 0
}

function context(tenant: string, commandId: string, occurredAt: string): CommandContext {
  return {
    tenant,
    actor: { id: 'gangway', role: 'system' },
    commandId,
    commandHash: '0'.repeat(64),
    correlationId: commandId,
    keyed: false,
    occurredAt,
  }
}
