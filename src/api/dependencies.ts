import type pg from 'pg'
import type { Logger } from 'pino'
import type { Experiments } from '../commands/experiments.ts'
import type { Flows } from '../commands/flows.ts'
import type { Handle } from '../commands/handle.ts'
import type { Config } from '../config.ts'
import type { Position } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { IndexStatus } from '../projections/analysis/messages.ts'
import type { ReadModelStatus } from '../projections/status.ts'
import type { Metrics } from '../services/metrics.ts'
import type { RateLimiter } from '../services/rateLimit.ts'
import type { Caller, VerifyToken } from './auth.ts'
import type { Permission, Reach } from './roles.ts'

/** Everything that the routes use, handed in by the composition root. */
export interface AppDependencies {
  readonly config: Pick<Config, 'frontendUrl'>
  readonly store: EventStore
  readonly handle: Handle
  readonly flows: Flows
  /** Without it no session is part of an experiment. */
  readonly experiments?: Experiments
  /** Of the database that holds the read models. */
  readonly pool: pg.Pool
  readonly readModels: ReadModels
  readonly verifyToken: VerifyToken
  readonly logger: Logger
  readonly metrics: Metrics
  /** Without it nobody is counted. */
  readonly rateLimiter?: RateLimiter
  readonly now: () => Date
  /** The index of this node's analysis: how far and how large it is. */
  readonly analysis?: { status(): Promise<IndexStatus | undefined> }
  /** True while the process goes down: readiness says no, so that no new work is sent here. */
  readonly draining?: () => boolean
}

/** The projection runner, as far as queries need it. */
export interface ReadModels {
  waitFor(name: string, position: Position, timeoutMs: number): Promise<Caught>
  status(): Promise<readonly ReadModelStatus[]>
  /** How far a read model is, as this process knows. */
  position(name: string): Position
  /** Whether it is this process alone that projects it, and so knows at once. */
  projectsAll(name: string): boolean
}

export type Caught =
  | { readonly ok: true }
  | { readonly ok: false; readonly behind: Position; readonly at: Position }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller needs to come here; a route without one is refused at start unless it is `public`. */
    permission?: Permission
    /** No token needed. */
    public?: boolean
  }
  interface FastifyRequest {
    /** Set on every route that is not public. */
    caller: Caller
    /** How far the caller reaches on this route. */
    reach: Reach
  }
}
