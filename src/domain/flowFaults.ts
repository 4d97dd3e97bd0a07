import type { InputFault } from './decider.ts'
import type { FlowDefinition } from './flowDefinition.ts'

/** Every fault of a definition of the right shape, with pointers into the body of `POST /flows`. */
export function flowFaults(_definition: FlowDefinition): InputFault[] {
  return []
}
