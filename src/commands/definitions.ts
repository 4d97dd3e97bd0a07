import { type DefinitionCommand, type DefinitionState, definitionDecider } from '../domain/definition.ts'
import type { DefinitionEvent } from '../domain/definitionEvents.ts'
import type { Aggregate } from './handle.ts'

/** What analysts save, one stream a definition: its id is `kind:key`. */
export const definitionAggregate: Aggregate<DefinitionState, DefinitionCommand, DefinitionEvent> = {
  category: 'definition',
  decider: definitionDecider,
}
