import { randomUUIDv7 } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { type Migration, migrationAggregate, moveSessions, previewSessions } from '../commands/migrations.ts'
import { flowUnknown } from '../commands/sessions.ts'
import type { InputFault } from '../domain/decider.ts'
import { derivedId } from '../domain/ids.ts'
import { migrationFaults } from '../domain/sessionMigration.ts'
import { waitForReadModel } from './after.ts'
import { answer, placed } from './answer.ts'
import { commandContext } from './commandContext.ts'
import { commandRoute } from './describe.ts'
import { inputFaults, refused } from './problem.ts'
import * as schemas from './schemas.ts'
import type { SessionDependencies } from './sessionDependencies.ts'

const body = schemas.object(
  {
    from: schemas.version,
    to: schemas.version,
    steps: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'Old step ids → new ones, where they differ',
      }),
    ),
    dryRun: Type.Optional(
      Type.Boolean({ default: false, description: 'Tell what would happen, and do nothing' }),
    ),
  },
  { examples: [{ from: 1, to: 2, steps: { company: 'organisation' }, dryRun: true }] },
)

const both = <T extends Type.TSchema>(value: T) => Type.Object({ before: value, after: value })
const migrated = Type.Object({
  flowId: Type.String(),
  from: schemas.version,
  to: schemas.version,
  dryRun: Type.Boolean(),
  migrationId: Type.Optional(Type.String()),
  moved: Type.Integer({ minimum: 0 }),
  sessions: Type.Array(
    Type.Object({
      sessionId: Type.String(),
      outcome: Type.Union(
        (['moved', 'not_in_flight', 'other_version'] as const).map((outcome) => Type.Literal(outcome)),
      ),
      progress: both(Type.Integer()),
      currentStep: both(Type.Union([Type.String(), Type.Null()])),
      left: Type.Array(Type.String(), {
        description: 'Steps whose answers the new version has no place for',
      }),
      invalid: Type.Array(Type.String(), {
        description: 'Answers carried over that would not be accepted now',
      }),
    }),
  ),
})

/** Moving sessions in flight to another version of their flow. */
export function migrationRoutes(deps: SessionDependencies): FastifyPluginAsyncTypebox {
  const { handle, flows, store, now } = deps

  /** @throws ProblemError 404, 422 */
  async function migrationOf(
    tenant: string,
    flowId: string,
    given: { from: number; to: number; steps?: Record<string, string> },
  ): Promise<Migration> {
    if (!(await flows.find(tenant, flowId))) throw refused(flowUnknown(flowId))
    const [from, to] = await Promise.all([
      flows.find(tenant, flowId, given.from),
      flows.find(tenant, flowId, given.to),
    ])
    const missing = (pointer: string, version: number): InputFault => ({
      pointer,
      detail: `The flow ${flowId} has no version ${version}.`,
    })
    const faults: InputFault[] = []
    if (!from) faults.push(missing('/from', given.from))
    if (!to) faults.push(missing('/to', given.to))
    if (given.from === given.to) faults.push({ pointer: '/to', detail: 'must be another version than from' })
    const steps = given.steps ?? {}
    if (from && to) faults.push(...migrationFaults(from.flow, to.flow, steps))
    if (faults.length > 0) throw inputFaults(faults)
    return { from: from!.flow, to: to!.flow, steps }
  }

  async function migrate(request: FastifyRequest, reply: FastifyReply, flowId: string, migration: Migration) {
    const context = commandContext(request, now())
    const { tenant } = context
    const id = context.keyed ? derivedId('migration', tenant, context.commandId) : randomUUIDv7()
    const { from, to, steps } = migration
    const start = { type: 'StartMigration', flowId, from: from.version, to: to.version, steps } as const
    await waitForReadModel(deps, 'sessions', await store.head())
    const outcome = await handle(migrationAggregate, id, { ...context, newId: !context.keyed }, () => start)
    if (outcome.kind !== 'accepted') return answer(request, reply, outcome, () => undefined)
    const { state, revision, position } = await moveSessions(deps, context, id, migration)
    return answer(request, reply, outcome, () => {
      placed(reply, revision, position)
      return view(flowId, migration, false, state.sessions, id)
    })
  }

  return async (app) => {
    app.post(
      '/flows/:flowId/migrations',
      commandRoute('flows.migrate', 'flows', {
        summary: 'Move sessions in flight to another version',
        description:
          'Answers when every session has been moved. Answers to steps that are renamed go with them.',
        params: Type.Object({ flowId: schemas.flowId }),
        body,
        of: migrated,
      }),
      async (request, reply) => {
        const { caller, params, body } = request
        const migration = await migrationOf(caller.tenant, params.flowId, body)
        if (!body.dryRun) return migrate(request, reply, params.flowId, migration)
        await waitForReadModel(deps, 'sessions', await store.head())
        const sessions = await previewSessions(deps, caller.tenant, migration, now().toISOString())
        return view(params.flowId, migration, true, sessions)
      },
    )
  }
}

function view(
  flowId: string,
  { from, to }: Migration,
  dryRun: boolean,
  sessions: readonly { readonly outcome: string }[],
  migrationId?: string,
) {
  return {
    flowId,
    from: from.version,
    to: to.version,
    dryRun,
    ...(migrationId === undefined ? {} : { migrationId }),
    moved: sessions.filter(({ outcome }) => outcome === 'moved').length,
    sessions,
  }
}
