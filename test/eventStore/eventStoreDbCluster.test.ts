import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { anEvent, aServer, aStore, idsOf, watch } from '../support/esdb/harness.ts'
import type { EsdbServer } from '../support/esdb/server.ts'

const aStream = () => `session-acme_${randomUUID()}`

/** Three nodes on one log, whose gossip and roles are set by hand. */
async function aCluster() {
  const first = await aServer()
  const nodes = [first, await aServer({ log: first.log }), await aServer({ log: first.log })]
  const at = (node: EsdbServer) => ({ host: '127.0.0.1', port: node.port })
  const elect = (leader: EsdbServer | undefined, alive = nodes) => {
    for (const node of nodes) {
      node.follow(node === leader || !leader ? undefined : at(leader))
      node.gossip(
        nodes.map((member) => ({
          endpoint: at(member),
          state: member === leader ? 'leader' : 'follower',
          alive: alive.includes(member),
        })),
      )
    }
  }
  elect(first)
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')
  return { nodes, elect, connectionString: `esdb://${hosts}?tls=false&discoveryInterval=20&gossipTimeout=1` }
}

describe('a cluster of EventStoreDB', () => {
  test('whose leader dies loses and doubles nothing', { timeout: 40_000 }, async () => {
    const { nodes, elect, connectionString } = await aCluster()
    const store = await aStore({ connectionString })
    const watched = watch(store)
    const written: string[][] = []
    let stop = false
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      const stream = aStream()
      const ids: string[] = []
      written[writer] = ids
      while (!stop) {
        const event = anEvent()
        const answer = await store.append(stream, [event], ids.length === 0 ? 'no_stream' : ids.length - 1)
        expect(answer).toMatchObject({ ok: true, revision: ids.length })
        ids.push(event.id)
      }
      expect(await idsOf(store.read(stream))).toEqual(ids)
    })
    await watched.until(() => watched.events.length > 100)
    await nodes[0]!.stop()
    await new Promise((resolve) => setTimeout(resolve, 300))
    elect(nodes[1], nodes.slice(1))
    const soFar = watched.events.length
    await watched.until(() => watched.events.length > soFar + 100)
    stop = true
    await Promise.all(writers)
    const all = written.flat()
    await watched.until(() => watched.events.length === all.length)
    expect(new Set(watched.events.map(({ id }) => id))).toEqual(new Set(all))
  })

  test('that nobody can find for a while is found again, and the process lives', {
    timeout: 40_000,
  }, async () => {
    const { nodes, connectionString } = await aCluster()
    const store = await aStore({ connectionString: `${connectionString}&maxDiscoverAttempts=10` })
    const watched = watch(store)
    for (const node of nodes) node.faults.inject('gossip', { kind: 'fail' }, Number.POSITIVE_INFINITY)
    await watched.until(() => watched.told.length > 0)
    // The client looks for the cluster, in vain, when a call on its old channel breaks too: nobody awaits what it does then.
    for (const node of nodes) node.faults.inject('append', { kind: 'fail' })
    const appends = Array.from({ length: 20 }, () => store.append(aStream(), [anEvent()], 'no_stream'))
    await new Promise((resolve) => setTimeout(resolve, 60))
    for (const node of nodes) node.cutSubscriptions('down')
    await new Promise((resolve) => setTimeout(resolve, 30))
    for (let times = 0; times < 8; times += 1) {
      for (const node of nodes) node.dropConnections()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    appends.push(...Array.from({ length: 20 }, () => store.append(aStream(), [anEvent()], 'no_stream')))
    await new Promise((resolve) => setTimeout(resolve, 300))
    for (const node of nodes) node.faults.clear()
    expect((await Promise.all(appends)).every(({ ok }) => ok)).toBe(true)
    await watched.until(() => watched.events.length === 40)
  })

  test('is read from its leader, whichever node was asked first', async () => {
    const { nodes, elect, connectionString } = await aCluster()
    const store = await aStore({ connectionString })
    const stream = aStream()
    await store.append(stream, [anEvent()], 'no_stream')
    elect(nodes[2])
    for (const node of [nodes[0]!, nodes[1]!]) {
      node.faults.inject('read', { kind: 'stall' }, Number.POSITIVE_INFINITY)
    }
    expect(await idsOf(store.read(stream))).toHaveLength(1)
    expect(nodes[0]!.faults.met + nodes[1]!.faults.met).toBe(0)
  })
})

describe('the protocol server as a process of its own', () => {
  test('killed with -9 under load comes back with all it acknowledged', { timeout: 40_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'esdb-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const start = async (port: number) => {
      const main = join(import.meta.dirname, '../support/esdb/main.ts')
      const child = spawn(process.execPath, [main, '--port', `${port}`, '--file', join(folder, 'log')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      return {
        child,
        ...(JSON.parse(String(line)) as { port: number; control: number; connectionString: string }),
      }
    }
    const first = await start(0)
    const store = await aStore(first)
    const watched = watch(store)
    const acknowledged = new Map<string, string[]>()
    let stop = false
    const writers = Array.from({ length: 16 }, async () => {
      const stream = aStream()
      const ids: string[] = []
      acknowledged.set(stream, ids)
      while (!stop) {
        const event = anEvent()
        const answer = await store.append(stream, [event], ids.length === 0 ? 'no_stream' : ids.length - 1)
        expect(answer).toMatchObject({ ok: true })
        ids.push(event.id)
      }
    })
    await watched.until(() => watched.events.length > 300)
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')
    const second = await start(first.port)
    const soFar = watched.events.length
    await watched.until(() => watched.events.length > soFar + 300)
    await control(second.control, {
      command: 'inject',
      operation: 'append',
      fault: { kind: 'loseAnswer' },
      times: 3,
    })
    await control(second.control, { command: 'cutSubscriptions', how: 'silent' })
    await new Promise((resolve) => setTimeout(resolve, 200))
    stop = true
    await Promise.all(writers)
    for (const [stream, ids] of acknowledged) expect(await idsOf(store.read(stream))).toEqual(ids)
    const total = [...acknowledged.values()].flat().length
    await watched.until(() => watched.events.length === total)
    expect(new Set(watched.events.map(({ id }) => id)).size).toBe(total)
    const state = (await (await fetch(`http://127.0.0.1:${second.control}`)).json()) as { faultsMet: number }
    expect(state.faultsMet).toBe(3)
  })
})

async function control(port: number, command: object): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: JSON.stringify(command) })
  expect(response.status).toBe(200)
}
