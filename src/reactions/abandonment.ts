import type pg from 'pg'
import type { Flows } from '../commands/flows.ts'
import type { Handle } from '../commands/handle.ts'
import { systemContext } from '../commands/systemContext.ts'
import { derivedId } from '../domain/ids.ts'
import { type AbandonmentCandidate, abandonmentCandidates } from '../projections/sessionQueries.ts'
import { commandSession } from './commandSession.ts'
import { type LeasedSchedule, startLeasedSchedule } from './leasedSchedule.ts'

export interface AbandonmentOptions {
  readonly pool: pg.Pool
  readonly handle: Handle
  readonly flows: Flows
  readonly now: () => Date
  readonly onError: (error: unknown) => void
  /** Milliseconds between two looks; a minute unless told. */
  readonly everyMs?: number
}

const LEASE = 'abandonment'
const PAGE = 500
const AT_ONCE = 10

/**
 * Gives up sessions in which nothing happened for their flow's `abandonAfterHours`, by a command like any other: it is decided on
 * the session as it is then, so somebody who came back in the last moment is not thrown out. One node at a time looks.
 */
export function startAbandonment(options: AbandonmentOptions): LeasedSchedule {
  const { pool, onError, everyMs = 60_000 } = options
  return startLeasedSchedule({
    pool,
    name: LEASE,
    everyMs,
    onError,
    async work(mine) {
      let abandoned = 0
      while (await mine()) {
        const given = await giveUp(options, mine)
        abandoned += given
        if (given === 0) break
      }
      return abandoned
    },
  })
}

/** One page of those whose time is over; those that the read model shows late are found alive and left alone. */
async function giveUp(options: AbandonmentOptions, mine: () => Promise<boolean>): Promise<number> {
  const now = options.now().toISOString()
  const candidates = await abandonmentCandidates(options.pool, now, PAGE)
  let abandoned = 0
  for (let i = 0; i < candidates.length; i += AT_ONCE) {
    // The lease runs out in seconds: it is held for each handful anew.
    if (!(await mine())) break
    const outcomes = await Promise.all(
      candidates.slice(i, i + AT_ONCE).map((candidate) => abandon(options, candidate, now)),
    )
    abandoned += outcomes.filter(Boolean).length
  }
  return abandoned
}

function abandon(
  options: AbandonmentOptions,
  { tenant, sessionId, lastActivityAt }: AbandonmentCandidate,
  at: string,
): Promise<boolean> {
  const commandId = derivedId('abandonment', tenant, sessionId, lastActivityAt)
  return commandSession(options, systemContext(tenant, commandId, at), sessionId, (facts) => ({
    ...facts,
    type: 'AbandonSession',
    reason: 'inactivity',
  }))
}
