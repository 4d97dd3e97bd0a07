import { type Refusal, refuse } from '../domain/decider.ts'
import { type CompiledFlow, planFlow } from '../domain/flow.ts'
import { flowOfSession } from '../domain/flowOverrides.ts'
import type { Facts, SessionCommand } from '../domain/sessionCommands.ts'
import type { SessionEvent } from '../domain/sessionEvents.ts'
import type { SessionState } from '../domain/sessionState.ts'
import { sessionAggregate } from './aggregates.ts'
import type { Estimates } from './estimates.ts'
import type { Experiments } from './experiments.ts'
import type { Flows } from './flows.ts'
import type { CommandContext, Handle, Loaded, Outcome } from './handle.ts'

export type SessionOutcome = Outcome<SessionState, SessionEvent>

/** May the caller know of the session at all? Someone else's looks like none. */
export type MayKnow = (state: SessionState) => boolean

export interface Sessions {
  start(
    context: CommandContext,
    id: string,
    given: { flowId: string; userId: string; context: Record<string, unknown> },
  ): Promise<SessionOutcome>
  /** One command on a session that is there; `make` gets the facts it is decided by. */
  act(
    context: CommandContext,
    id: string,
    mayKnow: MayKnow,
    make: (facts: Facts, session: SessionState) => SessionCommand,
  ): Promise<SessionOutcome>
  /** The session as of now; undefined when there is none the caller may know of. */
  find(tenant: string, id: string, mayKnow: MayKnow): Promise<FoundSession | undefined>
  /** The flow in the version that the session is on, with the overrides of variants it was shown. */
  flowOf(tenant: string, session: SessionState): Promise<CompiledFlow>
}

export interface FoundSession extends Loaded<SessionState> {
  readonly flow: CompiledFlow
}

export const sessionUnknown = refuse(404, 'session_unknown', 'There is no such session.')

export function createSessions(deps: {
  readonly handle: Handle
  readonly flows: Flows
  readonly estimates?: Estimates
  readonly experiments?: Pick<Experiments, 'shownAtStart'>
}): Sessions {
  const { handle, flows, experiments } = deps

  async function flowOf(tenant: string, session: SessionState): Promise<CompiledFlow> {
    const { flowId, flowVersion } = session
    const found = flows.peek(tenant, flowId, flowVersion) ?? (await flows.find(tenant, flowId, flowVersion))
    return flowOfSession(found?.flow ?? unknownFlow(session), session)
  }

  function facts(tenant: string, flow: CompiledFlow, at: string): Facts | Promise<Facts> {
    const estimates = deps.estimates?.(tenant, flow.id)
    if (!estimates) return { flow, at }
    if (estimates instanceof Promise) return estimates.then((estimates) => ({ flow, at, estimates }))
    return { flow, at, estimates }
  }

  return {
    flowOf,

    start: (context, id, { flowId, userId, context: given }) =>
      handle(sessionAggregate, id, context, async (state, at): Promise<SessionCommand | Refusal> => {
        const found = await flows.find(context.tenant, flowId)
        if (!found) return flowUnknown(flowId)
        const session = { id, userId, attributes: given as never }
        const shown =
          state.status === 'none' ? experiments?.shownAtStart(context, found.flow, session) : undefined
        const { flow, exposures } = shown ? await shown : { flow: found.flow, exposures: [] }
        return {
          ...(await facts(context.tenant, flow, at)),
          type: 'StartSession',
          userId,
          context: given as never,
          exposures,
        }
      }),

    act: (context, id, mayKnow, make) =>
      handle(
        sessionAggregate,
        id,
        context,
        (state, at) => {
          if (state.status === 'none') return sessionUnknown
          const { tenant } = context
          const flow = flows.peek(tenant, state.flowId, state.flowVersion)?.flow
          const known = flow
            ? facts(tenant, flowOfSession(flow, state), at)
            : flowOf(tenant, state).then((flow) => facts(tenant, flow, at))
          return known instanceof Promise ? known.then((facts) => make(facts, state)) : make(known, state)
        },
        (state) => (state.status !== 'none' && !mayKnow(state) ? sessionUnknown : undefined),
      ),

    async find(tenant, id, mayKnow) {
      const loaded = await handle.load(sessionAggregate, tenant, id)
      if (!loaded || !mayKnow(loaded.state)) return undefined
      return { ...loaded, flow: await flowOf(tenant, loaded.state) }
    },
  }
}

export const flowUnknown = (flowId: string): Refusal =>
  refuse(404, 'flow_unknown', `There is no flow ${JSON.stringify(flowId)}.`)

/** History may speak of a flow that is not in this log: it then has no steps of its own. */
function unknownFlow({ flowId, flowVersion }: SessionState): CompiledFlow {
  return planFlow({ id: flowId, title: flowId, steps: [] }, flowVersion)
}
