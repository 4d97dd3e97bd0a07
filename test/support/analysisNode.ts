import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { type Analysis, startAnalysis } from '../../src/projections/analysis/analysisIndex.ts'
import { type ApiNode, startApiNode } from './apiNode.ts'
import { freshDatabase } from './database.ts'

/** An index of the log of a database, in a folder of its own. */
export async function startTestAnalysis(databaseUrl: string, logger: Logger): Promise<Analysis> {
  const folder = await mkdtemp(join(tmpdir(), 'gangway-analysis-'))
  const analysis = startAnalysis({ databaseUrl, eventStoreUrl: undefined, folder, keeping: false, logger })
  return {
    ...analysis,
    async stop() {
      await analysis.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A node with an index, on a database of its own. */
export async function startAnalysisNode(): Promise<ApiNode & { readonly analysis: Analysis }> {
  const database = await freshDatabase()
  const node = await startApiNode(database.connectionString)
  const analysis = await startTestAnalysis(database.connectionString, node.deps.logger)
  return {
    ...node,
    analysis,
    async stop() {
      await analysis.stop()
      await node.stop()
      await database.drop()
    },
  }
}
