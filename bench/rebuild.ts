import { createPostgresEventStore } from '../src/eventStore/postgres.ts'
import { familiesOf } from '../src/projections/family.ts'
import { readModels } from '../src/projections/readModels.ts'
import { rebuild } from '../src/projections/rebuild.ts'
import { createProjectionRunner } from '../src/projections/runner.ts'
import { fillLog } from './readModels/syntheticLog.ts'
import { alternate, type BenchOptions, type BenchRow, benchPostgres, compared } from './support.ts'

const READING = 'reading the same events'

/**
 * All read models anew from a log like that of BPI 2012 ten times over: read, folded, written, indexed, compared with the ones in use
 * and swapped in. Beside it the same events read and nothing done with them.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const postgres = await benchPostgres()
  const connectionString = await postgres.database()
  const store = await createPostgresEventStore({ connectionString })
  try {
    const events = await fillLog(store, quick ? 300 : 123_500, log)
    log(`${events} events in the log`)
    const runner = createProjectionRunner({
      store,
      connectionString,
      projections: readModels,
      logger: { info() {}, warn: (details, message) => log(`${message}: ${JSON.stringify(details)}`) },
    })
    const begun = performance.now()
    await runner.start()
    await runner.waitFor('sessions', await store.head(), 3_600_000)
    const caughtUp = events / ((performance.now() - begun) / 1000)
    await runner.stop()
    log(`caught up live at ${Math.round(caughtUp)} events/s`)

    const seconds = async (work: () => Promise<void>) => {
      const started = performance.now()
      await work()
      return (performance.now() - started) / 1000
    }
    const found = await alternate(quick ? 1 : 2, {
      reading: () =>
        seconds(async () => {
          for await (const _page of store.readAll({ pageSize: 1000 }));
        }),
      rebuild: () =>
        seconds(async () => {
          for (const family of familiesOf(readModels)) {
            const { comparison, seconds: took } = await rebuild({
              store,
              connectionString,
              family,
              signal: new AbortController().signal,
            })
            if (!comparison?.equal) throw new Error(`${family.name} came out differently`)
            log(`${family.name}: ${took.toFixed(1)} s`)
          }
        }),
    })
    const rate = events / found.rebuild
    return {
      rows: [
        {
          name: `all read models from ${events} events`,
          value: rate,
          unit: 'events/s',
          ...(!quick && { target: { min: 100_000 } }),
        },
        compared(
          { name: 'the same', value: rate, unit: 'events/s' },
          { name: READING, value: events / found.reading },
        ),
        { name: 'first catch-up of a running service', value: caughtUp, unit: 'events/s' },
      ],
    }
  } finally {
    await store.close()
    await postgres.stop()
  }
}
