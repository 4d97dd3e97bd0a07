import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from '../../analysis/plan/fault.ts'
import { comparePositions, type Position } from '../../domain/position.ts'
import { createPool } from '../../postgresPool.ts'
import { boundedAnswer, boundsFaults } from './boundedAnswer.ts'
import type { Follower } from './follower.ts'
import type { Question, Reply } from './messages.ts'
import { definitionName } from './state.ts'

interface SavedRow {
  readonly defined_at: Position
  readonly position: Position
  readonly progress: Position | null
  readonly answer: Record<string, unknown> | null
  readonly faults: readonly Fault[] | null
}

const LOOK_MS = 30

/** Reads kept answers, whichever node keeps them. */
export function createSavedAnswers(
  connectionString: string,
  follower: () => Follower,
  hurry: () => void,
): {
  answer(question: Extract<Question, { ask: 'saved' }>): Promise<Reply>
  close(): Promise<void>
} {
  const pool = createPool({
    connectionString,
    max: 2,
    application_name: 'gangway: saved answers',
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  })

  const row = async (tenant: string, kind: string, key: string): Promise<SavedRow | undefined> => {
    const { rows } = await pool.query(SELECT, [tenant, kind, key])
    return rows[0]
  }

  return {
    async answer({ tenant, kind, key, bounds, after, patienceMs }) {
      const saved = follower().state.tenants.get(tenant)?.definitions.get(definitionName(kind, key))
      if (!saved) return { is: 'definition_unknown' }
      const faults = boundsFaults(bounds)
      if (faults.length > 0) return { is: 'faults', faults }
      const deadline = performance.now() + patienceMs
      for (;;) {
        const kept = await row(tenant, kind, key).catch(missingTable)
        const at = kept && furthest(kept)
        if (kept && at && kept.defined_at === saved.position && comparePositions(at, after ?? '0') >= 0) {
          if (!kept.answer) return { is: 'broken', faults: kept.faults ?? [] }
          const answer = { ...kept.answer, asOfPosition: at }
          if (bounds.from === undefined && bounds.to === undefined) return json(answer)
          const source = follower().state.source(tenant, String(saved.definition.flowId), Date.now())!
          return json(await boundedAnswer(pool, { tenant, definition: saved, answer, bounds }, source))
        }
        if (performance.now() > deadline) {
          const wanted = after ?? saved.position
          const behind = BigInt(wanted) - BigInt(at ?? '0')
          return { is: 'behind', at: at ?? '0', behind: String(behind > 0n ? behind : 0n) }
        }
        hurry()
        await delay(LOOK_MS)
      }
    },
    close: () => pool.end(),
  }
}

const SELECT = `
select defined_at::text, position::text, answer, faults,
       (select p.position::text from read.saved_progress p where p.name = 'analysis') as progress
  from read.saved_answers where tenant = $1 and kind = $2 and key = $3`

/** A kept answer holds up to where it was computed, or up to where all of them are known to hold. */
function furthest({ position, progress }: SavedRow): Position {
  return progress !== null && comparePositions(progress, position) > 0 ? progress : position
}

/** Before the tables were made nothing is kept. */
function missingTable(error: Error & { code?: string }): undefined {
  if (error.code !== '42P01' && error.code !== '3F000') throw error
  return undefined
}

const json = (answer: object): Reply => ({ is: 'answer', json: JSON.stringify(answer) })
