import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { comparePositions, type Position } from '../../domain/position.ts'
import { holdLease, type Lease, releaseLease, Superseded, takeLease } from '../lease.ts'
import type { Follower } from './follower.ts'
import { resultOf, unitOf } from './results.ts'
import { createResultTables } from './resultTables.ts'
import { removeResult, writeProgress, writeResult } from './resultWriter.ts'
import { type Definition, definitionName, type FlowIndex, type TenantIndex, type Watcher } from './state.ts'

/** Keeps the results of saved definitions in Postgres current by the log. Of several nodes one does. */
export interface Keeper {
  /** Somebody waits: look now. */
  hurry(): void
  stop(): Promise<void>
}

/** What was kept of a definition, and who has changed since. */
interface Kept {
  readonly tenant: string
  readonly definition: Definition
  /** The saved segments that it was computed with. */
  readonly segments: string
  readonly flow: FlowIndex
  readonly watcher: Watcher
  /** The rows are in the database; else they are all to be written. */
  written: boolean
  computedAt: number
  /** Not before then again: what takes long is done more rarely. */
  notBefore: number
}

const LEASE = 'analysis'
const TICK_MS = 200
const ASK_FOR_LEASE_MS = 500
const RENEW_MS = 1000
/** Time passes also without events: windows close, periods begin. */
const STALE_MS = 60_000
/** The share of time that one definition may take. */
const REST = 4

export function startKeeper(
  connectionString: string,
  follower: () => Follower,
  warn: (message: string, error: unknown) => void,
): Keeper {
  const stopped = new AbortController()
  const { signal } = stopped
  const holder = randomUUID()
  let kept = new Map<string, Kept>()
  let progress: Position = '0'
  let wake = () => {}
  let hurried = false

  const pause = async (ms: number) => {
    if (hurried) await delay(1)
    else
      await Promise.race([
        delay(ms, undefined, { signal }).catch(() => {}),
        new Promise<void>((done) => {
          wake = done
        }),
      ])
    hurried = false
  }

  const run = async () => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      const client = new pg.Client({
        connectionString,
        application_name: 'gangway: analysis',
        keepAlive: true,
        connectionTimeoutMillis: 5000,
        query_timeout: 30_000,
      })
      const lost = new Promise<never>((_, reject) => {
        client.on('error', reject)
        client.on('end', () => reject(new Error('the connection ended')))
      })
      lost.catch(() => {})
      try {
        await client.connect()
        await createResultTables(client)
        await Promise.race([lead(client), lost])
        attempt = 0
      } catch (error) {
        if (error instanceof Superseded) attempt = 0
        else if (!signal.aborted)
          warn('Keeping the results of saved definitions was interrupted and goes on', error)
      } finally {
        for (const { flow, watcher } of kept.values()) flow.watchers.delete(watcher)
        kept = new Map()
        await client.end().catch(() => {})
      }
      await delay(Math.min(100 * 2 ** attempt, 5000), undefined, { signal }).catch(() => {})
    }
  }

  const lead = async (client: pg.Client) => {
    while (!signal.aborted) {
      const lease = follower().current ? await takeLease(client, LEASE, holder) : undefined
      if (!lease) {
        await delay(ASK_FOR_LEASE_MS, undefined, { signal }).catch(() => {})
        continue
      }
      try {
        await removeForgotten(client, lease)
        let renewed = performance.now()
        while (!signal.aborted) {
          if (follower().current) await tick(client, lease)
          if (performance.now() - renewed > RENEW_MS) {
            await holdLease(client, lease)
            renewed = performance.now()
          }
          await pause(TICK_MS)
        }
      } finally {
        await releaseLease(client, lease).catch(() => {})
      }
    }
  }

  /** One round: writes what has changed, and how far everything is. */
  const tick = async (client: pg.Client, lease: Lease) => {
    const { state } = follower()
    const seen = state.through
    let behind = false
    const present = new Set<string>()
    for (const [tenantName, tenant] of state.tenants)
      for (const definition of tenant.definitions.values()) {
        const name = `${tenantName}\n${definitionName(definition.kind, definition.key)}`
        present.add(name)
        const now = performance.now()
        const last = current(name, tenantName, tenant, definition)
        if (!last || !isDue(last, now)) continue
        if (now < last.notBefore) behind = true
        else await refresh(client, lease, last)
      }
    for (const [name, { tenant, definition, flow, watcher }] of kept) {
      if (present.has(name)) continue
      await removeResult(client, lease, { tenant, ...definition })
      flow.watchers.delete(watcher)
      kept.delete(name)
    }
    if (behind || comparePositions(seen, progress) <= 0) return
    await writeProgress(client, lease, seen)
    progress = seen
  }

  /** What is kept of a definition; begun anew when it, its segments or the index were replaced. */
  const current = (name: string, tenantName: string, tenant: TenantIndex, definition: Definition) => {
    const flow = tenant.flows.get(String(definition.definition.flowId))
    if (!flow) return undefined
    const segments = segmentsOf(tenant, flow.id)
    const last = kept.get(name)
    const same = last?.definition === definition && last.segments === segments && last.flow === flow
    if (same) return last
    if (last) last.flow.watchers.delete(last.watcher)
    const watcher: Watcher = { sessions: new Set(), regrouped: false }
    flow.watchers.add(watcher)
    const begun = { tenant: tenantName, definition, segments, flow, watcher, written: false }
    const next: Kept = { ...begun, computedAt: 0, notBefore: 0 }
    kept.set(name, next)
    return next
  }

  const refresh = async (client: pg.Client, lease: Lease, one: Kept) => {
    const { tenant, definition, flow, watcher } = one
    const began = performance.now()
    const { state } = follower()
    const source = state.source(tenant, flow.id, Date.now())
    if (!source) return
    const unit = unitOf(definition.definition)
    const view = flow.index.view(unit)
    const inPart = one.written && !watcher.regrouped && view.newest <= source.now
    const changed = inPart ? new Uint8Array(view.units) : null
    if (changed) for (const session of watcher.sessions) changed[view.unitOf?.[session] ?? session] = 1
    watcher.sessions.clear()
    watcher.regrouped = false
    const position = state.through
    const result = resultOf(tenant, definition, source, changed)
    one.written = false
    const asOf = 'faults' in result ? new Date(source.now).toISOString() : result.answer.asOf
    await writeResult(client, lease, { tenant, definition, position, asOf }, result)
    one.written = true
    one.computedAt = performance.now()
    one.notBefore = one.computedAt + REST * (one.computedAt - began)
  }

  /** Results of definitions that were deleted while nobody looked. */
  const removeForgotten = async (client: pg.Client, lease: Lease) => {
    const { rows } = await client.query('select tenant, kind, key from read.saved_answers')
    for (const row of rows as { tenant: string; kind: Definition['kind']; key: string }[]) {
      const tenant = follower().state.tenants.get(row.tenant)
      if (!tenant?.definitions.has(definitionName(row.kind, row.key))) await removeResult(client, lease, row)
    }
  }

  const running = run()
  return {
    hurry() {
      hurried = true
      wake()
    },
    async stop() {
      stopped.abort()
      await running
    },
  }
}

function isDue({ written, watcher, computedAt }: Kept, now: number): boolean {
  return !written || watcher.regrouped || watcher.sessions.size > 0 || now - computedAt > STALE_MS
}

/** Which saved segments of a flow there are, and where the log says so. */
function segmentsOf({ definitions }: TenantIndex, flowId: string): string {
  let names = ''
  for (const { kind, key, position, definition } of definitions.values())
    if (kind === 'segment' && definition.flowId === flowId) names += `${key}@${position}\n`
  return names
}
