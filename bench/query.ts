import { answerBody, FLOW, load, prepareSessions, type Request, startServer } from './http/load.ts'
import { type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const BARE = 'bare Fastify + one SELECT by key'
const READERS = 64
const WRITES_A_SECOND = 1000

/** Sessions, progress and statistics read while a thousand commands a second are written; beside it a route that does one SELECT. */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const seconds = quick ? 1 : 3
  const rounds = quick ? 1 : 5
  const postgres = await benchPostgres()
  const ours = await startServer('ours', await postgres.database())
  const bare = await startServer('bare', await postgres.database())
  try {
    const sessions = await prepareSessions(ours.url, quick ? 128 : 2048)
    const spread = (connection: number) =>
      Array.from({ length: 16 }, (_, n) => sessions[(connection * 16 + n) % sessions.length]!)
    const get = (path: string): Request => ({ method: 'GET', path })
    const contenders: Record<string, (connection: number) => readonly Request[]> = {
      session: (connection) => spread(connection).map((id) => get(`/onboarding/session/${id}`)),
      progress: (connection) => spread(connection).map((id) => get(`/onboarding/progress/${id}`)),
      statistics: () => [
        get(`/onboarding/statistics?flowId=${FLOW}`),
        get(`/onboarding/statistics?flowId=${FLOW}`),
      ],
    }
    /** The same writing goes on beside the bare reads: what differs is what is read. */
    const whileWriting = async (read: () => ReturnType<typeof load>) => {
      const writing = load(ours.url, {
        connections: 16,
        seconds: seconds + 1,
        rate: quick ? 50 : WRITES_A_SECOND,
        requests: (connection) =>
          spread(connection).map((id, n) => ({
            method: 'PUT',
            path: `/onboarding/step/${id}/company`,
            body: answerBody(n),
          })),
      })
      await new Promise((begun) => setTimeout(begun, 500))
      const [result, written] = await Promise.all([read(), writing])
      return { ...result, written: written.perSecond, failed: result.failed + written.failed }
    }
    const rates = new Map<string, { ours: number[]; bare: number[]; p99: number[] }>()
    let failed = 0
    for (let round = 0; round <= rounds; round++)
      for (const [name, requests] of Object.entries(contenders)) {
        const mine = await whileWriting(() => load(ours.url, { connections: READERS, seconds, requests }))
        const peer = await whileWriting(() =>
          load(bare.url, {
            connections: READERS,
            seconds,
            requests: (connection) => spread(connection).map((_, n) => get(`/row/${connection + n}`)),
          }),
        )
        log(
          `${name}: ${Math.round(mine.perSecond)}/s, p99 ${mine.p99} ms, beside ${Math.round(mine.written)} commands/s; ` +
            `bare ${Math.round(peer.perSecond)}/s; failed ${mine.failed + peer.failed}`,
        )
        failed += mine.failed + peer.failed
        if (round === 0) continue
        const kept = rates.get(name) ?? { ours: [], bare: [], p99: [] }
        rates.set(name, kept)
        kept.ours.push(mine.perSecond)
        kept.bare.push(peer.perSecond)
        kept.p99.push(mine.p99)
      }
    return {
      rows: [
        ...[...rates].flatMap(([name, { ours, bare, p99 }]) => [
          compared(
            { name: `${name} reads`, value: median(ours), unit: '/s', target: { min: 0.8 } },
            { name: BARE, value: median(bare) },
          ),
          { name: `${name} reads, p99`, value: median(p99), unit: 'ms' },
        ]),
        { name: 'not answered, or not with 2xx', value: failed, unit: 'requests', target: { max: 0 } },
      ],
    }
  } finally {
    await Promise.all([ours.stop(), bare.stop()])
    await postgres.stop()
  }
}
