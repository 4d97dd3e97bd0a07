import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EventStore } from '../../eventStore/eventStore.ts'
import { emptyState, knows } from './follower.ts'
import { DamagedSnapshot, loadSnapshot, saveSnapshot } from './snapshot.ts'
import type { AnalysisState } from './state.ts'

export interface Snapshots {
  /** The state of the file where there is a good one of this log, else an empty one. */
  load(): Promise<AnalysisState>
  /** Saves the state when enough has come since it was last saved, or when `always`. One at a time. */
  save(state: AnalysisState, always?: boolean): Promise<void>
  remove(): Promise<void>
  /** Whether somebody asked for the index to be built anew; tells it once. */
  isRebuildWanted(): Promise<boolean>
}

/** Worth a file: this many events, and this share of all of them, after this long. */
const ENOUGH_EVENTS = 50_000
const ENOUGH_SHARE = 0.1
const PAUSE_MS = 60_000

export function createSnapshots(
  folder: string,
  store: EventStore,
  log: (level: 'info' | 'warn', message: string, details: object) => void,
): Snapshots {
  const file = snapshotFile(folder)
  let saved = 0
  let savedAt = performance.now()
  let saving: Promise<void> = Promise.resolve()

  const write = async (state: AnalysisState) => {
    const { events, through } = state
    const began = performance.now()
    await saveSnapshot(file, state)
    saved = events
    savedAt = performance.now()
    log('info', 'The analysis index was saved', { through, events, ms: Math.round(savedAt - began) })
  }

  return {
    async load() {
      await rm(wishFile(folder), { force: true })
      const began = performance.now()
      try {
        const state = await loadSnapshot(file)
        if (state && (await knows(store, state))) {
          const { events, through } = state
          saved = events
          const ms = Math.round(performance.now() - began)
          log('info', 'The analysis index was read from its snapshot', { through, events, ms })
          return state
        }
        if (state) log('warn', 'The snapshot of the analysis index is of another log and is left', {})
      } catch (error) {
        if (!(error instanceof DamagedSnapshot)) throw error
        const { message } = error
        log('warn', `The snapshot of the analysis index is damaged: ${message}. It is built anew`, {})
      }
      saved = 0
      return emptyState()
    },

    async save(state, always = false) {
      const news = state.events - saved
      const enough = news >= ENOUGH_EVENTS && news >= state.events * ENOUGH_SHARE
      if (!always && (!enough || performance.now() - savedAt < PAUSE_MS)) return
      saving = saving
        .then(() => write(state))
        .catch((error) => log('warn', 'The analysis index could not be saved', { err: String(error) }))
      await saving
    },

    remove: () => rm(file, { force: true }),

    isRebuildWanted: () =>
      rm(wishFile(folder)).then(
        () => true,
        () => false,
      ),
  }
}

const snapshotFile = (folder: string) => join(folder, 'index.snapshot')
const wishFile = (folder: string) => join(folder, 'rebuild')

/** Throws the snapshot away; a service that runs on this folder builds its index anew within seconds, beside the one in use. */
export async function askForRebuild(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await rm(snapshotFile(folder), { force: true })
  await writeFile(wishFile(folder), '')
}
