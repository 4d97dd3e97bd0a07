import { randomUUID } from 'node:crypto'
import { CommandHandler, type Event } from '@event-driven-io/emmett'
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import { sessionAggregate } from '../src/commands/aggregates.ts'
import { createCommandKeys } from '../src/commands/commandKeys.ts'
import { createHandle } from '../src/commands/handle.ts'
import { isRefusal } from '../src/domain/decider.ts'
import { planFlow } from '../src/domain/flow.ts'
import { sessionDecider } from '../src/domain/session.ts'
import type { SessionCommand } from '../src/domain/sessionCommands.ts'
import type { SessionEvent } from '../src/domain/sessionEvents.ts'
import type { SessionState } from '../src/domain/sessionState.ts'
import { createPostgresEventStore } from '../src/eventStore/postgres.ts'
import { alternate, type BenchOptions, type BenchRow, benchPostgres, compared } from './support.ts'

const EMMETT = 'Emmett’s CommandHandler'

/** A command on the session of that id, and whether it was accepted. */
type Send = (id: string, command: SessionCommand) => Promise<boolean>

const flow = planFlow(
  {
    id: 'bench',
    title: 'Bench',
    steps: [
      {
        id: 'company',
        title: 'Company',
        kind: 'form',
        schema: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string', minLength: 2 } },
        },
      },
      { id: 'team', title: 'Team', kind: 'form', dependsOn: ['company'] },
      { id: 'review', title: 'Review', kind: 'form', required: false },
    ],
  },
  1,
)

/** From a command to its outcome, without HTTP: the same decider through our handling and through Emmett's, both on PostgreSQL. */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const postgres = await benchPostgres()
  const ours = await handling(await postgres.database())
  const emmett = await emmettHandling(await postgres.database())
  const rows: BenchRow[] = []
  try {
    for (const clients of quick ? [16] : [1, 16, 64]) {
      const sessions = quick ? clients : clients === 1 ? 60 : 1000
      const found = await alternate(quick ? 1 : 5, {
        ours: () => measure(ours.send, clients, sessions),
        // Slower by far: a fifth of the sessions takes it as long.
        emmett: () => measure(emmett.send, clients, Math.max(clients, Math.round(sessions / 5))),
      })
      const name = `${clients} at once`
      log(`${name}: ours ${Math.round(found.ours)}, Emmett ${Math.round(found.emmett)}`)
      rows.push(
        compared(
          { name, value: found.ours, unit: 'commands/s', ...(clients === 64 ? { target: { min: 6 } } : {}) },
          { name: EMMETT, value: found.emmett },
        ),
      )
    }
    const hot = await hotSession(ours.send, quick ? 300 : 20_000)
    log(`one hot session: ${Math.round(hot)}`)
    rows.push({ name: 'one hot session, 64 at once', value: hot, unit: 'commands/s', target: { min: 1000 } })
  } finally {
    await Promise.all([ours.close(), emmett.close()])
    await postgres.stop()
  }
  return { rows }
}

const at = () => new Date().toISOString()

/** What each session is told, in turn: it begins, answers and changes its mind, goes on. */
const commands = (): SessionCommand[] => [
  { type: 'StartSession', flow, at: at(), userId: 'u', context: { plan: 'team' } },
  ...Array.from(
    { length: 8 },
    (_, n): SessionCommand => ({
      type: 'SubmitStep',
      flow,
      at: at(),
      stepId: 'company',
      data: { name: `Company ${n}`, size: n },
    }),
  ),
  { type: 'SubmitStep', flow, at: at(), stepId: 'team', data: { people: ['a', 'b'] } },
]

/** Commands a second, so many sessions at a time. */
async function measure(send: Send, clients: number, sessions: number): Promise<number> {
  let next = 0
  let sent = 0
  const started = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next++ < sessions) {
        const id = randomUUID()
        for (const command of commands()) {
          if (!(await send(id, command))) throw new Error(`${command.type} was refused`)
          sent += 1
        }
      }
    }),
  )
  return sent / ((performance.now() - started) / 1000)
}

async function hotSession(send: Send, total: number): Promise<number> {
  const id = randomUUID()
  await send(id, commands()[0]!)
  let next = 0
  const started = performance.now()
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (next++ < total)
        await send(id, { type: 'TrackSignal', flow, at: at(), signal: 'seen', value: next })
    }),
  )
  return total / ((performance.now() - started) / 1000)
}

async function handling(connectionString: string): Promise<{ send: Send; close(): Promise<void> }> {
  const store = await createPostgresEventStore({ connectionString })
  const commandKeys = await createCommandKeys({ connectionString, relaxed: true })
  const handle = createHandle({ store, commandKeys })
  return {
    async send(id, command) {
      const context = {
        tenant: 'acme',
        actor: { id: 'u', role: 'member' },
        commandId: randomUUID(),
        commandHash: '0'.repeat(64),
        correlationId: 'bench',
        keyed: false,
        occurredAt: command.at,
        newId: command.type === 'StartSession',
      }
      return (await handle(sessionAggregate, id, context, () => command)).kind === 'accepted'
    },
    async close() {
      await Promise.all([store.close(), commandKeys.close()])
    },
  }
}

async function emmettHandling(connectionString: string): Promise<{ send: Send; close(): Promise<void> }> {
  const store = getPostgreSQLEventStore(connectionString)
  const handle = CommandHandler<SessionState, Event>({
    evolve: (state, event) => sessionDecider.evolve(state, event as unknown as SessionEvent),
    initialState: () => sessionDecider.initial,
  })
  // It makes its tables at the first command, and does not bear many first ones at once.
  await handle(store, 'first', () => [])
  return {
    async send(id, command) {
      let refused = false
      await handle(store, id, (state) => {
        const decision = sessionDecider.decide(command, state)
        refused = isRefusal(decision)
        return (isRefusal(decision) ? [] : [...decision]) as unknown as Event[]
      })
      return !refused
    },
    close: () => store.close(),
  }
}
