import { type Decider, type Decision, refuse } from './decider.ts'
import type { DefinitionEvent, DefinitionKind } from './definitionEvents.ts'
import type { JsonObject } from './json.ts'

export interface DefinitionState {
  readonly definition: JsonObject | undefined
}

export type DefinitionCommand =
  | {
      readonly type: 'SaveDefinition'
      readonly kind: DefinitionKind
      readonly key: string
      readonly definition: JsonObject
    }
  | { readonly type: 'DeleteDefinition'; readonly kind: DefinitionKind; readonly key: string }

export const definitionDecider: Decider<DefinitionState, DefinitionCommand, DefinitionEvent> = {
  initial: { definition: undefined },

  decide(command, { definition }): Decision<DefinitionEvent> {
    switch (command.type) {
      case 'SaveDefinition':
        if (JSON.stringify(definition) === JSON.stringify(command.definition)) return []
        return [
          {
            type: 'DefinitionSaved',
            data: {
              kind: command.kind,
              key: command.key,
              definition: command.definition as Record<string, unknown>,
            },
          },
        ]
      case 'DeleteDefinition':
        if (!definition) return refuse(404, 'not_found', `There is no ${command.kind} ${command.key}.`)
        return [{ type: 'DefinitionDeleted', data: { kind: command.kind, key: command.key } }]
    }
  },

  evolve(_state, event) {
    switch (event.type) {
      case 'DefinitionSaved':
        return { definition: event.data.definition as JsonObject }
      case 'DefinitionDeleted':
        return { definition: undefined }
    }
  },
}
