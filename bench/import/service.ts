import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { issueToken } from '../../src/api/auth.ts'
import type { NodeRoles } from '../../src/config.ts'
import { MEMORY_SETTINGS } from '../../src/memorySettings.ts'

const SECRET = 'a secret that is only ever used by this bench'
const FLOW = 'loans'

export interface Usage {
  /** Bytes. */
  readonly rss: number
  /** Seconds of all threads since the process began. */
  readonly cpu: number
}

export interface ImportService {
  readonly url: string
  /** Sends newline-delimited JSON as one import, and answers its report. */
  send(portions: Iterable<Buffer>): Promise<ImportAnswer>
  usage(): Promise<Usage>
  /** Position that the analysis index has reached. */
  analysed(): Promise<number>
  stop(): Promise<void>
}

interface ImportAnswer {
  readonly rows: number
  readonly events: number
  readonly rejectedCount: number
  readonly position: string
}

/** The service on a database of its own, with a flow to import into; its memory is set as `npm start` does. */
export async function startImportService(roles: NodeRoles, databaseUrl: string): Promise<ImportService> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gangway-bench-'))
  const child: ChildProcess = fork(
    new URL('server.ts', import.meta.url),
    [roles, databaseUrl, SECRET, dataDir],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: { ...process.env, ...MEMORY_SETTINGS } },
  )
  const [{ url }] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the service ended with ${code}`))),
  ])) as [{ url: string }]
  const token = await issueToken(SECRET, { tenant: 'acme', sub: 'ann', roles: ['admin'] }, 7200)
  const authorization = `Bearer ${token}`
  const flow = { id: FLOW, title: 'Loans', steps: [{ id: 'done', title: 'Done', kind: 'external' }] }
  const published = await fetch(`${url}/flows`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(flow),
  })
  if (!published.ok) throw new Error(`/flows: ${published.status} ${await published.text()}`)

  return {
    url,
    async send(portions) {
      const call = request(`${url}/imports?flowId=${FLOW}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/x-ndjson' },
      })
      const [[response]] = await Promise.all([
        once(call, 'response') as Promise<[AsyncIterable<Buffer> & { statusCode: number }]>,
        pipeline(Readable.from(portions), call),
      ])
      let body = ''
      for await (const portion of response) body += portion
      if (response.statusCode !== 200) throw new Error(`/imports: ${response.statusCode} ${body}`)
      return JSON.parse(body)
    },
    async usage() {
      child.send('usage')
      return (await once(child, 'message'))[0] as Usage
    },
    async analysed() {
      const answer = await fetch(`${url}/health/ready`)
      const { parts } = (await answer.json()) as { parts: { analysis?: { position?: string } } }
      return Number(parts.analysis?.position ?? 0)
    },
    async stop() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
