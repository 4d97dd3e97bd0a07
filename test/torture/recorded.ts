import type { EventStore } from '../../src/eventStore/eventStore.ts'
import type { Sql } from './sql.ts'

/** An event as it is in the log. */
export interface Recorded {
  readonly position: string
  readonly id: string
  readonly stream: string
  readonly revision: number
  readonly tenant: string
  readonly commandId: string
  /** Of an imported step: which row of the file it was. */
  readonly row: number | undefined
}

/** Everything after a position, in order, asked past every network that fails. */
export type ReadLog = (after: string) => Promise<Recorded[]>

/** By SQL, so that nothing of the service is asked about itself. */
export const readPostgres =
  (sql: Sql): ReadLog =>
  async (after) => {
    const rows = await sql<Row>(
      `select e.position::text, e.id::text, s.name as stream, e.revision, e.metadata, e.type,
              case when e.data like '%"row":%' then e.data end as data
         from log.events e left join log.streams s on s.id = e.stream where e.position > $1 order by e.position`,
      [after],
    )
    return rows.map(({ metadata, data, type, ...event }) => {
      const { tenant, commandId } = JSON.parse(metadata)
      return { ...event, tenant, commandId, row: rowOf(type, data ? JSON.parse(data) : undefined) }
    })
  }

interface Row extends Recorded {
  readonly metadata: string
  readonly type: string
  readonly data: string | null
}

export const readStore =
  (store: EventStore): ReadLog =>
  async (after) => {
    const events: Recorded[] = []
    for await (const page of store.readAll({ from: after }))
      for (const event of page) {
        const { position, id, stream, revision, metadata, data, type } = event
        const { tenant, commandId } = metadata
        events.push({ position, id, stream, revision, tenant, commandId, row: rowOf(type, data) })
      }
    return events
  }

function rowOf(type: string, data: any): number | undefined {
  const row = type === 'StepCompleted' ? data?.data?.row : undefined
  return typeof row === 'number' ? row : undefined
}

/** What is known of the log so far. Events once read stay as they were, so that only the newer are read; each is looked at as it comes. */
export class KnownLog {
  readonly events: Recorded[] = []
  readonly #heads = new Map<string, Recorded>()
  readonly #read: ReadLog
  readonly #gapless: boolean
  readonly #disorder: (detail: string, evidence: unknown) => void

  /** `gapless`: whether positions count events. `disorder` is told what does not follow what came before. */
  constructor(read: ReadLog, gapless: boolean, disorder: (detail: string, evidence: unknown) => void) {
    this.#read = read
    this.#gapless = gapless
    this.#disorder = disorder
  }

  get position(): string {
    return this.events.at(-1)?.position ?? '0'
  }

  async readOn(): Promise<void> {
    for (const event of await this.#read(this.position)) {
      const before = this.events.at(-1)
      const last = this.#heads.get(event.stream)
      if (event.revision !== (last?.revision ?? -1) + 1)
        this.#disorder('the revisions of a stream have a gap', { last, event })
      const step = BigInt(event.position) - BigInt(this.position)
      if (step <= 0n) this.#disorder('positions do not grow', { before, event })
      else if (this.#gapless && step > 1n) this.#disorder('positions have a gap', { before, event })
      this.#heads.set(event.stream, event)
      this.events.push(event)
    }
  }

  /** The whole log, as it is now. */
  readAgain(): Promise<Recorded[]> {
    return this.#read('0')
  }
}
