import type { CompiledFlow } from '../domain/flow.ts'
import { flowOfSession } from '../domain/flowOverrides.ts'
import { derivedId } from '../domain/ids.ts'
import { roughSize } from '../domain/json.ts'
import { type MigrationCommand, type MigrationState, migrationDecider } from '../domain/migration.ts'
import type { MigratedSession, MigrationEvent } from '../domain/migrationEvents.ts'
import type { MigrateSession } from '../domain/sessionCommands.ts'
import { previewMigration } from '../domain/sessionMigration.ts'
import { type Queryable, sessionsInFlight } from '../projections/sessionsInFlight.ts'
import { sessionAggregate } from './aggregates.ts'
import type { Aggregate, CommandContext, Handle, Loaded } from './handle.ts'

export interface Migration {
  readonly from: CompiledFlow
  readonly to: CompiledFlow
  /** Old step ids → new ones. */
  readonly steps: Readonly<Record<string, string>>
}

export const migrationAggregate: Aggregate<MigrationState, MigrationCommand, MigrationEvent> = {
  category: 'migration',
  decider: migrationDecider,
}

const PAGE = 200
const AT_ONCE = 32
/** Characters of one plan, well below what the log takes at once. */
const MOST_TEXT = 100_000

export interface MigrationDependencies {
  readonly handle: Handle
  readonly pool: Queryable
}

/** What would become of each session in flight. Records nothing. */
export async function previewSessions(
  deps: MigrationDependencies,
  tenant: string,
  migration: Migration,
  at: string,
): Promise<MigratedSession[]> {
  const found: MigratedSession[] = []
  for await (const page of pages(deps, tenant, migration, at, '')) found.push(...page)
  return found
}

/**
 * Moves the sessions in flight that the read models know of. Each page is planned in the migration's own stream before it is
 * moved, so that one that was cut off goes on where it was when its command is repeated, and tells the same in the end.
 */
export async function moveSessions(
  deps: MigrationDependencies,
  context: CommandContext,
  id: string,
  migration: Migration,
): Promise<Loaded<MigrationState>> {
  const { handle } = deps
  const { tenant } = context
  const within = (...parts: string[]): CommandContext => ({
    ...context,
    commandId: derivedId('migration', id, ...parts),
    causationId: context.commandId,
    keyed: false,
    ifMatch: undefined,
  })
  const stayed: MigratedSession[] = []
  const moveAll = async (sessions: readonly MigratedSession[]) => {
    const verdicts = await inTurns(sessions, (session) =>
      moveSession(handle, within('move', session.sessionId), migration, session),
    )
    stayed.push(...verdicts.filter(({ outcome }) => outcome !== 'moved'))
  }

  const begun = (await handle.load(migrationAggregate, tenant, id))!
  if (begun.state.status === 'completed') return begun
  await moveAll(begun.state.sessions)
  const after = begun.state.sessions.at(-1)?.sessionId ?? ''
  for await (const page of pages(deps, tenant, migration, context.occurredAt, after)) {
    const command = { type: 'PlanMigration', sessions: page } as const
    await handle(migrationAggregate, id, within('plan', page[0]!.sessionId), () => command)
    await moveAll(page)
  }
  await handle(migrationAggregate, id, within('complete'), () => ({
    type: 'CompleteMigration' as const,
    stayed,
  }))
  return (await handle.load(migrationAggregate, tenant, id))!
}

/** The sessions in flight with what would become of them, in pages that fit into an event; in order of their ids. */
async function* pages(
  { handle, pool }: MigrationDependencies,
  tenant: string,
  { from, to, steps }: Migration,
  at: string,
  after: string,
): AsyncGenerator<MigratedSession[]> {
  const command = { type: 'MigrateSession', steps, at } as const
  let last = after
  for (;;) {
    const ids = await sessionsInFlight(pool, tenant, from.id, from.version, last, PAGE)
    if (ids.length === 0) return
    const previews = await inTurns(ids, async (sessionId) => {
      const loaded = await handle.load(sessionAggregate, tenant, sessionId)
      if (!loaded) return undefined
      const { state } = loaded
      const [flow, target] = [flowOfSession(from, state), flowOfSession(to, state)]
      return { sessionId, ...previewMigration({ ...command, flow, to: target }, state) }
    })
    const inFlight = previews.filter((session) => session?.outcome === 'moved') as MigratedSession[]
    yield* portions(inFlight)
    last = ids.at(-1)!
  }
}

async function moveSession(
  handle: Handle,
  context: CommandContext,
  { from, to, steps }: Migration,
  planned: MigratedSession,
): Promise<MigratedSession> {
  const { sessionId } = planned
  let before = planned
  const outcome = await handle(sessionAggregate, sessionId, context, (state, at) => {
    const command: MigrateSession = {
      type: 'MigrateSession',
      flow: flowOfSession(from, state),
      to: flowOfSession(to, state),
      steps,
      at,
    }
    before = { sessionId, ...previewMigration(command, state) } as MigratedSession
    return command
  })
  const isThere = outcome.kind === 'accepted' && outcome.state.flowVersion === to.version
  return isThere ? planned : before
}

function* portions(sessions: readonly MigratedSession[]): Generator<MigratedSession[]> {
  let portion: MigratedSession[] = []
  let size = 0
  for (const session of sessions) {
    portion.push(session)
    size += roughSize(session)
    if (size < MOST_TEXT) continue
    yield portion
    portion = []
    size = 0
  }
  if (portion.length > 0) yield portion
}

/** Some at a time, answers in order. */
async function inTurns<T, A>(items: readonly T[], work: (item: T) => Promise<A>): Promise<A[]> {
  const answers: A[] = new Array(items.length)
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      answers[index] = await work(items[index]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker))
  return answers
}
