/** Who is connected: how many sockets a user has and how many watch a session. */
export interface Presence {
  /** Counts one more. */
  enter(kind: PresenceKind, tenant: string, id: string): void
  /** Takes one back that had entered. */
  leave(kind: PresenceKind, tenant: string, id: string): void
  count(kind: PresenceKind, tenant: string, id: string): Promise<number>
  close(): Promise<void>
}

export type PresenceKind = 'session' | 'user'

/** Counts of this process alone. `onChange` is told each new count. */
export function createLocalPresence(
  onChange: (key: string, count: number) => void = () => {},
): Presence & { readonly counts: ReadonlyMap<string, number> } {
  const counts = new Map<string, number>()
  const change = (by: 1 | -1) => (kind: PresenceKind, tenant: string, id: string) => {
    const key = presenceKey(kind, tenant, id)
    const count = (counts.get(key) ?? 0) + by
    if (count > 0) counts.set(key, count)
    else counts.delete(key)
    onChange(key, count)
  }
  return {
    counts,
    enter: change(1),
    leave: change(-1),
    count: async (kind, tenant, id) => counts.get(presenceKey(kind, tenant, id)) ?? 0,
    close: async () => {},
  }
}

/** Tenants and ids may hold any character. */
export function presenceKey(kind: PresenceKind, tenant: string, id: string): string {
  return `${kind}:${encodeURIComponent(tenant)}:${id}`
}
