import { describe, expect, test } from 'vitest'
import { definitionDecider } from '../../src/domain/definition.ts'
import type { DefinitionEvent } from '../../src/domain/definitionEvents.ts'
import type { JsonObject } from '../../src/domain/json.ts'

const { initial, decide, evolve } = definitionDecider
const given = (...events: DefinitionEvent[]) => events.reduce(evolve, initial)
const saved = (definition: JsonObject): DefinitionEvent => ({
  type: 'DefinitionSaved',
  data: { kind: 'funnel', key: 'activation', definition },
})
const deleted: DefinitionEvent = { type: 'DefinitionDeleted', data: { kind: 'funnel', key: 'activation' } }
const save = (definition: JsonObject) =>
  ({ type: 'SaveDefinition', kind: 'funnel', key: 'activation', definition }) as const
const remove = { type: 'DeleteDefinition', kind: 'funnel', key: 'activation' } as const

describe('a saved definition', () => {
  test('is recorded when it is new or another', () => {
    expect(decide(save({ steps: [] }), given())).toEqual([saved({ steps: [] })])
    expect(decide(save({ steps: [1] }), given(saved({ steps: [] })))).toEqual([saved({ steps: [1] })])
  })

  test('saved again as it is records nothing', () => {
    expect(decide(save({ steps: [] }), given(saved({ steps: [] })))).toEqual([])
  })

  test('is deleted once, and can be saved again', () => {
    expect(decide(remove, given(saved({})))).toEqual([deleted])
    expect(decide(remove, given(saved({}), deleted))).toMatchObject({ refused: 'not_found', status: 404 })
    expect(decide(remove, given())).toMatchObject({ refused: 'not_found' })
    expect(decide(save({}), given(saved({}), deleted))).toEqual([saved({})])
  })
})
