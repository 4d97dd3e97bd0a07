import { join } from 'node:path'
import { checkpointFile } from './checkpointFile.ts'
import { openCheckpointKey } from './checkpointKey.ts'
import type { EventStore } from './eventStore.ts'
import { type VerifyDependencies, type VerifyOptions, type VerifyReport, verifyLog } from './verifyLog.ts'

/** Proving the log of a data folder: its key and checkpoints are in `DATA_DIR/audit`. */
export interface Audit extends VerifyDependencies {
  verify(options?: VerifyOptions): Promise<VerifyReport>
}

export async function openAudit(options: {
  readonly store: EventStore
  readonly dataDir: string
  readonly now: () => Date
}): Promise<Audit> {
  const folder = join(options.dataDir, 'audit')
  const deps = {
    store: options.store,
    file: checkpointFile(folder),
    key: await openCheckpointKey(folder),
    now: () => options.now().toISOString(),
  }
  return { ...deps, verify: (verifyOptions) => verifyLog(deps, verifyOptions) }
}
