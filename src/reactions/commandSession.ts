import { sessionAggregate } from '../commands/aggregates.ts'
import type { Flows } from '../commands/flows.ts'
import type { CommandContext, Handle } from '../commands/handle.ts'
import { flowUnknown } from '../commands/sessions.ts'
import type { Refusal } from '../domain/decider.ts'
import { flowOfSession } from '../domain/flowOverrides.ts'
import type { Facts, SessionCommand } from '../domain/sessionCommands.ts'

/** Gives a session a command, decided on its flow as it is then. Answers whether it recorded anything. */
export async function commandSession(
  { handle, flows }: { readonly handle: Handle; readonly flows: Flows },
  context: CommandContext,
  sessionId: string,
  make: (facts: Facts) => SessionCommand,
): Promise<boolean> {
  const { tenant, occurredAt: at } = context
  const outcome = await handle(
    sessionAggregate,
    sessionId,
    context,
    async (session): Promise<SessionCommand | Refusal> => {
      const published = await flows.find(tenant, session.flowId, session.flowVersion)
      return published
        ? make({ flow: flowOfSession(published.flow, session), at })
        : flowUnknown(session.flowId)
    },
  )
  return outcome.kind === 'accepted' && outcome.events.length > 0
}
