import type { ExperimentQuestion } from '../../analysis/experiment/experimentAnswer.ts'
import type { Fault } from '../../analysis/plan/fault.ts'
import type { DefinitionKind } from '../../domain/definitionEvents.ts'
import type { JsonObject } from '../../domain/json.ts'
import type { Position } from '../../domain/position.ts'
import type { QueryKind } from './queries.ts'

/** What the thread of the index is started with. */
export interface ThreadOptions {
  readonly databaseUrl: string
  readonly eventStoreUrl: string | undefined
  /** The folder of snapshots. */
  readonly folder: string
  /** Whether this node keeps the results of saved definitions, unless another does. */
  readonly keeping: boolean
}

/** What it is asked. `after`: a position that must have been seen, waited for `patienceMs` at most. */
export type Question = { readonly after?: Position | undefined; readonly patienceMs: number } & (
  | { readonly ask: 'query'; readonly tenant: string; readonly kind: QueryKind; readonly body: JsonObject }
  | { readonly ask: 'experiment'; readonly tenant: string; readonly question: ExperimentQuestion }
  | {
      readonly ask: 'check'
      readonly tenant: string
      readonly kind: DefinitionKind
      readonly definition: JsonObject
    }
  | {
      readonly ask: 'saved'
      readonly tenant: string
      readonly kind: DefinitionKind
      readonly key: string
      readonly bounds: Bounds
    }
  | {
      readonly ask: 'members'
      readonly tenant: string
      readonly key: string
      readonly limit: number
      readonly from: number
    }
  | { readonly ask: 'reached' }
  | { readonly ask: 'status' }
  | { readonly ask: 'save' }
  | { readonly ask: 'rebuild' }
)

/** Bounds of what a saved answer is about: ISO 8601 times, `from` inclusive and `to` exclusive. */
export interface Bounds {
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** What it answers. JSON is made where the answer is: the thread that serves requests only passes it on. */
export type Reply =
  | {
      readonly is: 'answer'
      readonly json: string
      /** What the answer says of itself, where its JSON has no place for it. */
      readonly headers?: Readonly<Record<string, string>>
    }
  | { readonly is: 'faults'; readonly faults: readonly Fault[] }
  /** A saved definition names what is no longer there. */
  | { readonly is: 'broken'; readonly faults: readonly Fault[] }
  | { readonly is: 'flow_unknown' }
  | { readonly is: 'definition_unknown' }
  | { readonly is: 'behind'; readonly at: Position; readonly behind: Position }
  | { readonly is: 'status'; readonly status: IndexStatus }
  | { readonly is: 'done' }

export interface IndexStatus {
  readonly position: Position
  /** False until the end of the log was reached for the first time. */
  readonly current: boolean
  readonly lagEvents: number
  readonly lagSeconds: number
  readonly bytes: number
  readonly events: number
  readonly flows: number
}

export type FromThread =
  | { readonly is: 'reply'; readonly id: number; readonly reply: Reply }
  /** The thread begins to work on a question and hears nothing until it is done. */
  | { readonly is: 'begun'; readonly id: number }
  | { readonly is: 'failed'; readonly id: number; readonly message: string; readonly stack: string }
  | {
      readonly is: 'log'
      readonly level: 'info' | 'warn'
      readonly message: string
      readonly details: object
    }
  | { readonly is: 'stopped' }

export type ToThread =
  | { readonly is: 'question'; readonly id: number; readonly question: Question }
  | { readonly is: 'stop' }
