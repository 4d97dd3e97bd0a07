import type { Append, AppendResult, EventStore } from '../../eventStore/eventStore.ts'

/** The appends of one session, which follow on each other. */
export interface Planned {
  readonly session: string
  readonly begins: boolean
  readonly appends: readonly Append[]
}

/** What became of what was planned for a session. */
export interface Written {
  readonly session: string
  readonly begun: boolean
  /** Of its lines. */
  readonly events: number
  readonly refused: boolean
}

/**
 * One portion of every session at a time, since a stream's portions follow each other. Of what was written only the numbers are kept: a whole
 * batch of events would outlive its time with the collector.
 */
export async function appendPlanned(
  store: Pick<EventStore, 'appendMany'>,
  work: readonly Planned[],
): Promise<Written[]> {
  const verdicts = work.map((planned): [Planned, AppendResult[]] => [planned, []])
  for (let portion = 0; ; portion++) {
    const round = verdicts.filter(
      ([{ appends }, results]) => appends.length > portion && results.every(({ ok }) => ok),
    )
    if (round.length === 0) return verdicts.map(writtenOf)
    const results = await store.appendMany(round.map(([{ appends }]) => appends[portion]!))
    for (const [index, [, own]] of round.entries()) own.push(results[index]!)
  }
}

function writtenOf([{ session, begins, appends }, verdicts]: [Planned, readonly AppendResult[]]): Written {
  const refused = verdicts.findIndex((verdict) => !verdict.ok)
  const counted = appends.slice(0, refused < 0 ? undefined : refused)
  const events = counted.reduce((sum, append) => sum + append.events.length, 0)
  const begun = begins && events > 0
  return { session, begun, events: events - (begun ? 1 : 0), refused: refused >= 0 }
}
