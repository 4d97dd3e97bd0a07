import { setTimeout as delay } from 'node:timers/promises'
import { send } from './client.ts'
import type { History, Told } from './history.ts'
import { FLOW, flow, participant } from './participants.ts'
import { random } from './random.ts'
import { TENANTS, token } from './tenants.ts'
import { importer, type Seen, watchLog, watchSession } from './watchers.ts'

const IMPORT_ROWS = 400
const IMPORT_FLOW = 'history'

/** Everybody who uses the service. */
export async function startLoad(
  urls: readonly string[],
  history: History,
  { seed, people }: { readonly seed: number; readonly people: number },
) {
  let commanding = true
  let watching = true
  const commands: Promise<void>[] = []
  const watches: Promise<void>[] = []
  const sockets: Seen[] = []
  const readers: { tenant: string; ids: string[] }[] = []
  const imports: { tenant: string; token: string; auditor: string; flowId: string; body: string }[] = []
  let number = 0
  const asker = (going: () => boolean) => ({ urls, history, random: random(seed * 1000 + ++number), going })

  for (const tenant of TENANTS) {
    const admin = await token(tenant, 'admin', 'admin')
    const member = await token(tenant, 'member', 'member')
    const auditor = await token(tenant, 'auditor', 'auditor')
    const stranger = await token(TENANTS.find((other) => other !== tenant)!, 'stranger', 'admin')
    for (const id of [FLOW, IMPORT_FLOW]) {
      const body = { ...flow, id }
      await must(urls[0]!, { method: 'POST', path: '/flows', body, token: admin, key: `publish-${id}` })
    }
    const hot: string[] = []
    for (let n = 0; n < 2; n++) {
      const body = { flowId: FLOW, userId: `hot-${n}` }
      const told: Told = {
        tenant,
        token: member,
        key: `hot-${n}`,
        method: 'POST',
        path: '/onboarding/start',
        body,
        records: true,
        lost: [],
      }
      told.answer = await must(urls[0]!, told)
      history.commands.push(told)
      hot.push(told.answer.body.id)
    }
    for (const session of hot) {
      const seen: Seen = { stream: `session-${tenant}_${session}`, events: [], last: -1 }
      sockets.push(seen)
      watches.push(watchSession({ ...asker(() => watching), tenant, token: member, session, seen }))
    }
    const ids: string[] = []
    readers.push({ tenant, ids })
    watches.push(watchLog({ ...asker(() => watching), tenant, token: auditor, ids }))
    const lines = importLines(tenant)
    imports.push({ tenant, token: admin, auditor, flowId: IMPORT_FLOW, body: lines.join('') })
    const asking = asker(() => commanding)
    commands.push(
      importer({
        ...asking,
        tenant,
        token: admin,
        flowId: IMPORT_FLOW,
        lines: () => lines.slice(0, asking.random.between(1, lines.length)).join(''),
      }),
    )
    for (let n = 0; n < people; n++) {
      const name = `${tenant}-${n}`
      commands.push(
        participant({
          ...asker(() => commanding),
          name,
          tenant,
          token: await token(tenant, name, 'member'),
          stranger,
          hot,
          pauseMs: 150,
        }),
      )
    }
  }
  return {
    sockets,
    readers,
    imports,
    /** No more commands; those under way come to their end. */
    async settle() {
      commanding = false
      await Promise.all(commands)
    },
    /** Sockets and readers get a moment for what is still coming, then stop. */
    async finish() {
      await delay(4000)
      watching = false
      await Promise.all(watches)
    },
  }
}

function importLines(tenant: string): string[] {
  return Array.from({ length: IMPORT_ROWS }, (_, row) => {
    const at = new Date(Date.UTC(2020, 0, 1) + Math.floor(row / 3) * 60_000).toISOString()
    return `${JSON.stringify({ session: `${tenant}-${row % 40}`, step: `s${row % 5}`, at, data: { row } })}\n`
  })
}

/** While nothing is broken: only slow machines make it ask again. */
export async function must(url: string, told: Parameters<typeof send>[1]) {
  for (let attempt = 0; ; attempt++) {
    try {
      const got = await send(url, told)
      if (got.status < 300) return got
      throw new Error(`${got.status} ${got.text}`)
    } catch (error) {
      if (attempt === 10) throw error
      await delay(500)
    }
  }
}
