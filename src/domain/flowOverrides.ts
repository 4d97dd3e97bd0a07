import { Compile, type Validator } from 'typebox/compile'
import type { InputFault } from './decider.ts'
import type { ExperimentDefinition } from './experimentDefinition.ts'
import { type CompiledFlow, compileFlow } from './flow.ts'
import { type FlowDefinition, flowDefinitionSchema } from './flowDefinition.ts'
import type { Overrides } from './overrides.ts'
import { shapeFaults } from './shapeFaults.ts'

/** Flows as experiments change them: a published version with the fields that variants put in place of a step's own. */

/** The definition with each overridden step's fields replaced; later overrides win. Steps it does not have are passed over. */
export function overriddenDefinition(
  definition: FlowDefinition,
  overrides: readonly Overrides[],
): FlowDefinition {
  const steps = definition.steps.map((step) => {
    const changes = overrides.flatMap(({ steps }) => (Object.hasOwn(steps, step.id) ? [steps[step.id]] : []))
    return Object.assign({}, step, ...changes)
  })
  return { ...definition, steps }
}

/** Compiled once for each published version and content. */
const compiled = new WeakMap<CompiledFlow, Map<string, CompiledFlow | null>>()
const REMEMBERED = 500

/**
 * The flow as a session on it sees it. Undefined where the overrides do not fit this version: a step they depend on is gone, or what
 * they say is no step any more. The same flow and overrides always give the same.
 */
export function overriddenFlow(
  flow: CompiledFlow,
  overrides: readonly Overrides[],
): CompiledFlow | undefined {
  if (overrides.length === 0) return flow
  let known = compiled.get(flow)
  if (!known) {
    known = new Map()
    compiled.set(flow, known)
  }
  const name = JSON.stringify(overrides)
  let found = known.get(name)
  if (found === undefined) {
    if (known.size >= REMEMBERED) known.clear()
    found = compileOverridden(flow, overrides)
    known.set(name, found)
  }
  return found ?? undefined
}

/** The flow that a session runs: its version with the overrides it was shown, as far as they fit. */
export function flowOfSession(
  flow: CompiledFlow,
  { overrides }: { readonly overrides: readonly Overrides[] },
): CompiledFlow {
  return overrides.length === 0 ? flow : (overriddenFlow(flow, overrides) ?? flow)
}

function compileOverridden(flow: CompiledFlow, overrides: readonly Overrides[]): CompiledFlow | null {
  const definition = overriddenDefinition(flow.definition, overrides)
  if (!shape().Check(definition)) return null
  const result = compileFlow(definition, flow.version)
  return 'flow' in result ? result.flow : null
}

let validator: Validator | undefined
function shape(): Validator {
  validator ??= Compile(flowDefinitionSchema) as Validator
  return validator
}

/** What is wrong with the overrides of an experiment on a flow, with pointers into the body of `POST /experiments`. */
export function overrideFaultsOn({ variants }: ExperimentDefinition, flow: FlowDefinition): InputFault[] {
  return variants.flatMap(({ overrides }, index) =>
    overrides ? faultsOf(overrides, flow, `/variants/${index}/overrides`) : [],
  )
}

/** Characters of one variant's overrides: every session that is shown it records them. */
const MOST_TEXT = 32_000

function faultsOf(overrides: Overrides, flow: FlowDefinition, at: string): InputFault[] {
  if (JSON.stringify(overrides).length > MOST_TEXT)
    return [{ pointer: at, detail: `The overrides of a variant have up to ${MOST_TEXT} characters.` }]
  const known = new Set(flow.steps.map(({ id }) => id))
  const unusable = Object.entries(overrides.steps).flatMap(([id, fields]): InputFault[] => {
    const pointer = `${at}/steps/${escaped(id)}`
    if (!known.has(id)) return [{ pointer, detail: `The flow ${flow.id} has no step ${id}.` }]
    if (Object.hasOwn(fields, 'id'))
      return [{ pointer: `${pointer}/id`, detail: 'A step keeps its id in every variant.' }]
    return []
  })
  if (unusable.length > 0) return unusable
  const definition = overriddenDefinition(flow, [overrides])
  const placed = (pointer: string): string => {
    const [, place, rest = ''] = /^\/steps\/(\d+)(\/.*)?$/.exec(pointer) ?? []
    const id = place === undefined ? undefined : flow.steps[Number(place)]?.id
    return id !== undefined && Object.hasOwn(overrides.steps, id) ? `${at}/steps/${escaped(id)}${rest}` : at
  }
  if (!shape().Check(definition)) {
    const faults = new Map<string, InputFault>()
    for (const { pointer, detail } of shapeFaults(shape().Errors(definition))) {
      const place = placed(pointer)
      if (!faults.has(place)) faults.set(place, { pointer: place, detail })
    }
    return [...faults.values()]
  }
  const result = compileFlow(definition, 1)
  return 'faults' in result
    ? result.faults.map(({ pointer, detail }) => ({ pointer: placed(pointer), detail }))
    : []
}

const escaped = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')
