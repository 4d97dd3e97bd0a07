import { type AnswerSchema, planAnswerSchema } from './answerSchema.ts'
import { type Condition, planCondition } from './condition.ts'
import { type Decider, type InputFault, refuse } from './decider.ts'
import type { FlowDefinition, StepDefinition } from './flowDefinition.ts'
import type { FlowEvent } from './flowEvents.ts'
import { flowFaults } from './flowFaults.ts'
import type { JsonObject } from './json.ts'
import { orderOfLooking } from './stepOrder.ts'

const DEFAULT_MILESTONES: readonly number[] = [25, 50, 75, 100]
export const DEFAULT_ABANDON_AFTER_HOURS = 72

/** One version of a flow, ready to work with: conditions planned once, answer schemas compiled at their first use. */
export interface CompiledFlow {
  readonly id: string
  readonly version: number
  readonly definition: FlowDefinition
  /** In the order of looking: after what they depend on, then as listed. */
  readonly steps: readonly CompiledStep[]
  readonly stepById: ReadonlyMap<string, CompiledStep>
  /** Ascending, each once. */
  readonly milestones: readonly number[]
  readonly abandonAfterHours: number
  readonly audience: Condition | undefined
}

export interface CompiledStep {
  readonly id: string
  /** Place in the order of looking, from 0. */
  readonly index: number
  readonly definition: StepDefinition
  readonly required: boolean
  readonly skippable: boolean
  readonly dependsOn: readonly string[]
  readonly visibleWhen: Condition | undefined
  readonly schema: AnswerSchema | undefined
}

/** State of a flow: how many versions there are. Version n is the event of revision n − 1 of the flow's stream. */
export interface FlowState {
  readonly version: number
}

export interface PublishFlow {
  readonly type: 'PublishFlow'
  readonly definition: FlowDefinition
}

/**
 * Compiles a definition for publishing: every fault at once, with pointers into the body of `POST /flows`, or the flow. Takes
 * anything of the right shape and never throws.
 */
export function compileFlow(
  definition: FlowDefinition,
  version: number,
): { readonly flow: CompiledFlow } | { readonly faults: readonly InputFault[] } {
  const faults = flowFaults(definition)
  return faults.length > 0 ? { faults } : { flow: planFlow(definition, version) }
}

/**
 * Plans a definition that was published, trusting that it was checked then: a rule made stricter since must not take flows away
 * from sessions in flight. A condition that no longer compiles fails whenever it is asked, which leaves its step visible.
 */
export function planFlow(definition: FlowDefinition, version: number): CompiledFlow {
  const steps = orderOfLooking(definition.steps).map(planStep)
  return {
    id: definition.id,
    version,
    definition,
    steps,
    stepById: new Map(steps.map((step) => [step.id, step])),
    milestones: [...new Set(definition.milestones ?? DEFAULT_MILESTONES)].sort((a, b) => a - b),
    abandonAfterHours: definition.abandonAfterHours ?? DEFAULT_ABANDON_AFTER_HOURS,
    audience: definition.audience === undefined ? undefined : planCondition(definition.audience),
  }
}

function planStep(definition: StepDefinition, index: number): CompiledStep {
  const required = definition.required ?? true
  return {
    id: definition.id,
    index,
    definition,
    required,
    skippable: definition.skippable ?? !required,
    dependsOn: definition.dependsOn ?? [],
    visibleWhen: definition.visibleWhen === undefined ? undefined : planCondition(definition.visibleWhen),
    schema: definition.schema === undefined ? undefined : planAnswerSchema(definition.schema),
  }
}

/** Whether a flow is meant for somebody: true without an audience; an audience that cannot be evaluated fits nobody. */
export function audienceMatches(
  flow: CompiledFlow,
  facts: { context: JsonObject; profile?: JsonObject },
): boolean {
  if (flow.audience === undefined) return true
  const verdict = flow.audience.evaluate({
    context: facts.context,
    profile: facts.profile ?? {},
    answers: new Map(),
    pending: () => false,
    session: {},
  })
  return verdict.kind === 'decided' && verdict.value
}

export const flowDecider: Decider<FlowState, PublishFlow, FlowEvent> = {
  initial: { version: 0 },
  decide(command, flow) {
    const faults = flowFaults(command.definition)
    if (faults.length > 0) {
      return refuse(422, 'flow_invalid', 'The flow has faults; nothing was published.', { errors: faults })
    }
    const { definition } = command
    return [{ type: 'FlowPublished', data: { flowId: definition.id, version: flow.version + 1, definition } }]
  },
  evolve: (_flow, event) => ({ version: event.data.version }),
}
