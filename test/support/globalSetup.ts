import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/services/embeddedPostgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Connection string of the one PostgreSQL of this run; see database.ts. */
    postgres: string
  }
}

/** One PostgreSQL for the whole run, without fsync: what it holds ends with the run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gangway-test-'))
  await chmod(dataDir, 0o711)
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false })
  project.provide('postgres', postgres.connectionString)
  return async () => {
    await postgres.stop()
    // It may still be writing its last checkpoint.
    await rm(dataDir, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 })
  }
}
