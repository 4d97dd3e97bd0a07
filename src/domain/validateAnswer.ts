import type { InputFault } from './decider.ts'
import type { CompiledStep } from './flow.ts'

/** Every fault of a step's data with pointers under `/data`; empty when it is valid. A step without a schema takes anything. */
export function validateAnswer(step: CompiledStep, data: unknown): InputFault[] {
  return step.schema === undefined ? [] : step.schema.faults(data)
}
