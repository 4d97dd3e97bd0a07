import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { History } from './history.ts'
import { must } from './load.ts'
import type { Offer, Offered } from './overloadClient.ts'
import { FLOW } from './participants.ts'
import { TENANTS, token } from './tenants.ts'
import type { World } from './world.ts'

/** Each goes on with a session of its own when it was answered, as people do: none waits for another's turn at the same session. */
const CONNECTIONS = 4000
const STARTED_AT_ONCE = 32
const TIMES_CAPACITY = 10
const P99_MS = 1000
const SLOW_FLUSH_US = 50_000

/** Invariant 10: asked for ten times what it can do, it refuses what is too much, answers the rest in time, and recovers. */
export async function shedsOverload(
  world: World,
  history: History,
  log: (line: string) => void,
): Promise<void> {
  const { api, postgres } = world
  const member = await token(TENANTS[0], 'member', 'member')
  const sessions: string[] = []
  const start = { method: 'POST', path: '/onboarding/start', body: { flowId: FLOW }, token: member }
  while (sessions.length < CONNECTIONS)
    sessions.push(
      ...(await Promise.all(
        Array.from(
          { length: STARTED_AT_ONCE },
          async (_, n) => (await must(api[n % api.length]!.ownUrl, start)).body.id as string,
        ),
      )),
    )
  const asked = { urls: api.map(({ ownUrl }) => ownUrl), sessions, token: member }
  await overloaded(asked, 'overload', history, log)
  // Clients, nodes and database share this machine, which cannot ask ten times as much as it can answer. With a slow disk it can.
  await postgres.holdFlushesBack(SLOW_FLUSH_US)
  try {
    await overloaded(asked, 'overload on a slow disk', history, log)
  } finally {
    await postgres.holdFlushesBack(0)
  }
}

async function overloaded(
  asked: Pick<Offer, 'urls' | 'sessions' | 'token'>,
  name: string,
  history: History,
  log: (line: string) => void,
): Promise<void> {
  const usual = await offer({ ...asked, connections: 64, rate: undefined, seconds: 3 })
  const capacity = usual.accepted / 3
  const over = await offer({
    ...asked,
    connections: CONNECTIONS,
    rate: Math.round(capacity * TIMES_CAPACITY),
    seconds: 6,
  })
  await delay(1000)
  const after = await offer({ ...asked, connections: 64, rate: undefined, seconds: 3 })
  const perSecond = (count: number, seconds: number) => `${Math.round(count / seconds)}/s`
  log(
    `     ${name}: ${perSecond(capacity, 1)} with 64 at once; asked ${perSecond(over.sent, 6)}, accepted ${perSecond(over.accepted, 6)} (p99 ${over.p99} ms), shed ${perSecond(over.shed, 6)}; then ${perSecond(after.accepted, 3)}`,
  )
  history.counts[`${name}: p99 of what was accepted, ms`] = over.p99
  history.count(`${name}: requests shed`, over.shed)
  const violated = (detail: string, evidence: unknown) => history.violated(10, `${name}: ${detail}`, evidence)
  if (over.p99 > P99_MS) violated(`the p99 of what was accepted was ${over.p99} ms`, over)
  if (over.shed === 0) violated('nothing was shed', over)
  if (over.other > 0) violated(`${over.other} answers were neither accepted nor shed with Retry-After`, over)
  if (over.accepted / 6 < capacity / 4) violated('little was accepted', over)
  if (after.shed > 0 || after.other > 0 || after.accepted < usual.accepted / 2)
    violated('it did not recover', { usual, after })
}

/** From a process of its own: the harness is the nodes' network. */
async function offer(what: Offer): Promise<Offered> {
  const child = fork(join(import.meta.dirname, 'overloadClient.ts'))
  child.send(what)
  const [told] = await once(child, 'message')
  return told as Offered
}
