import type { StepDefinition } from './flowDefinition.ts'

/**
 * The order in which steps are looked at: a step comes after all it depends on, and otherwise as listed. Ids that name no step are
 * passed over and what stands in a circle comes last, as listed: both are faults of publishing.
 */
export function orderOfLooking(steps: readonly StepDefinition[]): StepDefinition[] {
  const known = new Set(steps.map((step) => step.id))
  const placed = new Set<string>()
  const ordered: StepDefinition[] = []
  let waiting = [...steps]
  const ready = (step: StepDefinition) =>
    (step.dependsOn ?? []).every((id) => placed.has(id) || !known.has(id))
  while (waiting.length > 0) {
    const next = waiting.find(ready)
    if (next === undefined) return [...ordered, ...waiting]
    placed.add(next.id)
    ordered.push(next)
    waiting = waiting.filter((step) => step !== next)
  }
  return ordered
}
