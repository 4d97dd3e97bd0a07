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

/** Invariant 10: asked for ten times what it can do, it refuses what is too much, answers the rest in time, and recovers. */
export async function shedsOverload(
  { api }: World,
  history: History,
  log: (line: string) => void,
): Promise<void> {
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
  const common = { urls: api.map(({ ownUrl }) => ownUrl), sessions, token: member }
  const usual = await offer({ ...common, connections: 64, rate: undefined, seconds: 3 })
  const capacity = usual.accepted / 3
  const over = await offer({
    ...common,
    connections: CONNECTIONS,
    rate: Math.round(capacity * TIMES_CAPACITY),
    seconds: 6,
  })
  await delay(1000)
  const after = await offer({ ...common, connections: 64, rate: undefined, seconds: 3 })
  log(
    `     overload: ${Math.round(capacity)}/s with 64 at once; offered ${Math.round(over.sent / 6)}/s, accepted ${Math.round(over.accepted / 6)}/s (p99 ${over.p99} ms), shed ${Math.round(over.shed / 6)}/s; then ${Math.round(after.accepted / 3)}/s`,
  )
  history.counts['overload: p99 of what was accepted, ms'] = over.p99
  history.count('overload: requests shed', over.shed)
  if (over.p99 > P99_MS) history.violated(10, `p99 under overload was ${over.p99} ms`, over)
  if (over.shed === 0) history.violated(10, 'nothing was shed', over)
  if (over.other > 0)
    history.violated(10, `${over.other} answers were neither accepted nor shed with Retry-After`, over)
  if (over.accepted / 6 < capacity / 4) history.violated(10, 'little was accepted under overload', over)
  if (after.shed > 0 || after.other > 0 || after.accepted < usual.accepted / 2)
    history.violated(10, 'it did not recover from overload', { usual, after })
}

/** From a process of its own: the harness is the nodes' network. */
async function offer(what: Offer): Promise<Offered> {
  const child = fork(join(import.meta.dirname, 'overloadClient.ts'))
  child.send(what)
  const [told] = await once(child, 'message')
  return told as Offered
}
