import type { CommandContext } from './handle.ts'

/** Of a command that the service gives by itself. `occurredAt` is ISO 8601, UTC, milliseconds. */
export function systemContext(tenant: string, commandId: string, occurredAt: string): CommandContext {
  return {
    tenant,
    actor: { id: 'gangway', role: 'system' },
    commandId,
    commandHash: '0'.repeat(64),
    correlationId: commandId,
    keyed: false,
    occurredAt,
  }
}
