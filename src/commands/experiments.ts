import { setTimeout as delay } from 'node:timers/promises'
import { isTargeted, measurementFaults } from '../analysis/experiment/experimentCheck.ts'
import { type AssignmentState, type AssignVariant, assignmentDecider } from '../domain/assignment.ts'
import { type Refusal, refuse } from '../domain/decider.ts'
import type { StoredEvent } from '../domain/envelope.ts'
import {
  type ExperimentCommand,
  type ExperimentState,
  experimentDecider,
  type FoldedExperimentEvent,
} from '../domain/experiment.ts'
import type { ExperimentDefinition } from '../domain/experimentDefinition.ts'
import type { AssignmentEvent, ExperimentEvent } from '../domain/experimentEvents.ts'
import type { CompiledFlow } from '../domain/flow.ts'
import { overriddenFlow, overrideFaultsOn } from '../domain/flowOverrides.ts'
import { derivedId } from '../domain/ids.ts'
import type { JsonObject } from '../domain/json.ts'
import { comparePositions, type Position, START } from '../domain/position.ts'
import type { Exposure } from '../domain/sessionCommands.ts'
import { parseStreamName } from '../domain/stream.ts'
import { catalogue } from '../eventStore/catalogue.ts'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Flows } from './flows.ts'
import type { Aggregate, CommandContext, Handle, Outcome } from './handle.ts'

export const experimentAggregate: Aggregate<ExperimentState, ExperimentCommand, ExperimentEvent> = {
  category: 'experiment',
  decider: experimentDecider,
}

/** One stream for each unit that met an experiment. */
const assignmentAggregate: Aggregate<AssignmentState, AssignVariant, AssignmentEvent> = {
  category: 'assignment',
  decider: assignmentDecider,
}

export interface RunningExperiment extends ExperimentState {
  readonly tenant: string
  readonly definition: ExperimentDefinition
}

export interface Experiments {
  /** Assigns a unit, or answers what it was assigned before. */
  assign(
    context: CommandContext,
    key: string,
    unitId: string,
    attributes: JsonObject,
  ): Promise<Outcome<AssignmentState, AssignmentEvent>>
  /**
   * What a session shows from its start by the running experiments on its flow, and the flow with their overrides. Undefined where
   * there are none: then nothing is asked of anything.
   */
  shownAtStart(
    context: CommandContext,
    flow: CompiledFlow,
    session: { readonly id: string; readonly userId: string | null; readonly attributes: JsonObject },
  ): Promise<{ readonly flow: CompiledFlow; readonly exposures: readonly Exposure[] }> | undefined
  /** All that run now, of all tenants. */
  running(): readonly RunningExperiment[]
  /** Waits until this node knows of what the log says at a position. */
  reached(position: Position): Promise<void>
  stop(): Promise<void>
}

export const experimentUnknown = (key: string): Refusal =>
  refuse(404, 'experiment_unknown', `There is no experiment ${JSON.stringify(key)}.`)

/** The faults of a definition that the experiment's own rules cannot tell. Undefined where its flow is unknown. */
export async function outsideFaults(flows: Flows, tenant: string, definition: ExperimentDefinition) {
  const { flowId } = definition
  const published = flowId === undefined ? undefined : await flows.find(tenant, flowId)
  if (flowId !== undefined && !published) return undefined
  const overrides = published ? overrideFaultsOn(definition, published.flow.definition) : []
  return [...measurementFaults(definition), ...overrides]
}

const REACHED_WITHIN_MS = 2000

/**
 * Knows the experiments that run, by following the log, so that a session that starts under none of them waits for nothing. Answers when
 * all that the log tells of them is known.
 */
export async function startExperiments(deps: {
  readonly store: EventStore
  readonly handle: Handle
  readonly onError: (error: unknown) => void
}): Promise<Experiments> {
  const { store, handle, onError } = deps
  const known = new Map<string, ExperimentState>()
  const byFlow = new Map<string, Map<string, RunningExperiment>>()
  const stopped = new AbortController()
  const { signal } = stopped
  const waiting = new Set<() => void>()
  let through: Position = START
  let markCurrent = () => {}
  const current = new Promise<void>((done) => {
    markCurrent = done
  })

  const take = ({ stream, metadata }: StoredEvent, decoded: ExperimentEvent) => {
    const event: FoldedExperimentEvent = { ...decoded, metadata }
    const tenant = parseStreamName(stream)?.tenant
    // A type that it does not know is a newer build's.
    if (tenant === undefined || !catalogue.has(event.type)) return
    const state = experimentDecider.evolve(known.get(stream) ?? experimentDecider.initial, event)
    const flowId = state.definition?.flowId
    if (state.status === 'stopped') known.delete(stream)
    else known.set(stream, state)
    if (flowId === undefined) return
    const place = placeOf(tenant, flowId)
    const here = byFlow.get(place) ?? new Map<string, RunningExperiment>()
    if (state.status === 'running')
      byFlow.set(place, here.set(stream, { ...state, tenant, definition: state.definition! }))
    else here.delete(stream)
    if (here.size === 0) byFlow.delete(place)
  }

  const follow = async () => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        for await (const batch of store.follow({ from: through, signal, categories: ['experiment'] })) {
          if (batch.kind === 'events')
            for (const event of batch.events) take(event, decode(event) as unknown as ExperimentEvent)
          through = batch.through
          attempt = 0
          if (batch.kind === 'caughtUp') markCurrent()
          for (const wake of waiting) wake()
        }
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
      if (!signal.aborted)
        await delay(Math.min(50 * 2 ** attempt, 2000), undefined, { signal }).catch(() => {})
    }
  }
  const following = follow()
  await current

  const assign: Experiments['assign'] = async (context, key, unitId, attributes) => {
    const loaded = await handle.load(experimentAggregate, context.tenant, key)
    if (!loaded?.state.definition)
      return { kind: 'refused', refusal: experimentUnknown(key), replayed: false }
    const { definition, status, weights } = loaded.state
    return handle(assignmentAggregate, assignmentId(key, definition.unit, unitId), context, () => ({
      type: 'AssignVariant' as const,
      experiment: { definition, status, weights },
      unitId,
      targeted: isTargeted(definition, attributes),
    }))
  }

  /** What a running experiment shows a session: nothing to a unit that is outside it. */
  async function shown(
    context: CommandContext,
    { definition }: RunningExperiment,
    session: { readonly id: string; readonly userId: string | null; readonly attributes: JsonObject },
  ): Promise<Exposure | undefined> {
    const unitId = definition.unit === 'session' ? session.id : (session.userId ?? session.id)
    const own = derivedId('assignment', context.commandId, definition.key)
    const within: CommandContext = {
      ...context,
      commandId: own,
      causationId: context.commandId,
      keyed: false,
      ifMatch: undefined,
      newId: false,
    }
    const outcome = await assign(within, definition.key, unitId, session.attributes)
    // An experiment that was stopped a moment ago shows nothing.
    const variant = outcome.kind === 'accepted' ? outcome.state.assigned?.variant : undefined
    const chosen = definition.variants.find(({ key }) => key === variant)
    if (!chosen) return undefined
    const { key, overrides } = chosen
    return { experiment: definition.key, variant: key, ...(overrides && { overrides }) }
  }

  return {
    assign,

    shownAtStart(context, flow, session) {
      const here = byFlow.size > 0 ? byFlow.get(placeOf(context.tenant, flow.id)) : undefined
      if (!here) return undefined
      const experiments = [...here.values()].sort((a, b) => (a.definition.key < b.definition.key ? -1 : 1))
      return (async () => {
        let current = flow
        const exposures: Exposure[] = []
        for (const experiment of experiments) {
          const exposure = await shown(context, experiment, session)
          if (!exposure) continue
          const overrides = [...exposures, exposure].flatMap(({ overrides }) => overrides ?? [])
          const changed = overriddenFlow(flow, overrides)
          // A variant that does not fit the flow as it is published now cannot be shown, and so is no exposure.
          if (!changed) continue
          current = changed
          exposures.push(exposure)
        }
        return { flow: current, exposures }
      })()
    },

    running: () =>
      [...known].flatMap(([stream, state]) => {
        const tenant = parseStreamName(stream)?.tenant
        return state.status === 'running' && state.definition && tenant !== undefined
          ? [{ ...state, definition: state.definition, tenant }]
          : []
      }),

    async reached(position) {
      const deadline = performance.now() + REACHED_WITHIN_MS
      while (comparePositions(through, position) < 0 && performance.now() < deadline && !signal.aborted) {
        let wake = () => {}
        const woken = new Promise<void>((done) => {
          wake = done
        })
        waiting.add(wake)
        await Promise.race([woken, delay(100)])
        waiting.delete(wake)
      }
    },

    async stop() {
      stopped.abort()
      await following
    },
  }
}

const placeOf = (tenant: string, flowId: string) => JSON.stringify([tenant, flowId])

/** One stream a unit and experiment; no key ends where another's unit begins. */
const assignmentId = (key: string, unit: string, unitId: string): string =>
  `${key.replaceAll('%', '%25').replaceAll(':', '%3A')}:${unit}:${unitId}`
