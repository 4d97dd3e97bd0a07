import { answerSchemaFaults } from './answerSchemaFaults.ts'
import { conditionFaults } from './condition.ts'
import type { InputFault } from './decider.ts'
import type { FlowDefinition, StepDefinition } from './flowDefinition.ts'
import { orderOfLooking } from './stepOrder.ts'

const MAX_FAULTS = 200

/** Every fault of a definition of the right shape, at once, with pointers into the body of `POST /flows`. Never throws. */
export function flowFaults({ audience, steps }: FlowDefinition): InputFault[] {
  const known = new Set(steps.map(({ id }) => id))
  const nobody = new Set<string>()
  return [
    ...(audience === undefined ? [] : conditionFaults(audience, nobody, known)).map((detail) => ({
      pointer: '/audience',
      detail,
    })),
    ...repeatedIds(steps),
    ...dependencyFaults(steps, known),
    ...visibilityFaults(steps, known),
    ...steps.flatMap(({ schema }, place) =>
      schema === undefined ? [] : answerSchemaFaults(schema, `/steps/${place}/schema`),
    ),
  ]
}

function repeatedIds(steps: readonly StepDefinition[]): InputFault[] {
  const first = new Map<string, number>()
  return steps.flatMap(({ id }, place) => {
    const before = first.get(id)
    if (before === undefined) {
      first.set(id, place)
      return []
    }
    return [{ pointer: `/steps/${place}/id`, detail: `The id ${id} is taken by step ${before} already.` }]
  })
}

function dependencyFaults(steps: readonly StepDefinition[], known: ReadonlySet<string>): InputFault[] {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const trees = new Map<string, ReadonlyMap<string, string>>()
  const faults: InputFault[] = []
  for (const [place, { id, dependsOn = [] }] of steps.entries()) {
    for (const [index, needed] of dependsOn.entries()) {
      if (faults.length === MAX_FAULTS) return faults
      const pointer = `/steps/${place}/dependsOn/${index}`
      if (!known.has(needed)) {
        faults.push({ pointer, detail: `There is no step ${needed}.` })
        continue
      }
      const tree = trees.get(needed) ?? reachable(needed, byId)
      trees.set(needed, tree)
      if (!tree.has(id)) continue
      faults.push({ pointer, detail: `The steps depend on each other: ${circle(id, needed, tree)}.` })
    }
  }
  return faults
}

/** All steps that a step depends on, near or far, itself included: by which step each was found first. */
function reachable(from: string, byId: ReadonlyMap<string, StepDefinition>): ReadonlyMap<string, string> {
  const foundBy = new Map([[from, from]])
  for (const id of foundBy.keys()) {
    for (const next of byId.get(id)?.dependsOn ?? []) if (!foundBy.has(next)) foundBy.set(next, id)
  }
  return foundBy
}

/** `a → b → c → a`, where a depends on b. */
function circle(id: string, needed: string, tree: ReadonlyMap<string, string>): string {
  const way = [id]
  for (let at = id; at !== needed; ) {
    at = tree.get(at)!
    way.unshift(at)
  }
  const shown = way.length > 10 ? [...way.slice(0, 8), '…', id] : way
  return [id, ...shown].join(' → ')
}

/** A condition may read the answers of the steps that are looked at before its own. */
function visibilityFaults(steps: readonly StepDefinition[], known: ReadonlySet<string>): InputFault[] {
  const earlier = new Set<string>()
  const faults = new Map<StepDefinition, string[]>()
  for (const step of orderOfLooking(steps)) {
    if (step.visibleWhen !== undefined) faults.set(step, conditionFaults(step.visibleWhen, earlier, known))
    earlier.add(step.id)
  }
  return steps.flatMap((step, place) =>
    (faults.get(step) ?? []).map((detail) => ({ pointer: `/steps/${place}/visibleWhen`, detail })),
  )
}
