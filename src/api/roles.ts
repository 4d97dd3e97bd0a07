/** The roles a token may carry; others are ignored. Strongest last. */
export const roles = ['participant', 'auditor', 'analyst', 'member', 'admin'] as const
export type Role = (typeof roles)[number]

/** What a role may reach by a permission: only what is the caller's own, or all of their tenant. */
export type Reach = 'own' | 'tenant'

/** Who may do what: the one table. Every route names one permission in its `config`. */
export const permissions = {
  'flows.read': { analyst: 'tenant', admin: 'tenant' },
  'flows.publish': { admin: 'tenant' },
  'flows.migrate': { admin: 'tenant' },

  'sessions.start': { participant: 'own', member: 'tenant', admin: 'tenant' },
  'sessions.read': { participant: 'own', member: 'tenant', analyst: 'tenant', admin: 'tenant' },
  'sessions.act': { participant: 'own', member: 'tenant', admin: 'tenant' },
  'steps.read': { participant: 'tenant', member: 'tenant', analyst: 'tenant', admin: 'tenant' },
  'statistics.read': { member: 'tenant', analyst: 'tenant', admin: 'tenant' },

  'live.join': { participant: 'own', member: 'tenant', analyst: 'tenant', admin: 'tenant' },
  'clients.read': { participant: 'own', member: 'tenant', admin: 'tenant' },

  'imports.run': { admin: 'tenant' },
  'audit.read': { auditor: 'tenant', admin: 'tenant' },

  'analytics.read': { analyst: 'tenant', admin: 'tenant' },
  'analytics.define': { analyst: 'tenant', admin: 'tenant' },
  'insights.read': { analyst: 'tenant', admin: 'tenant' },
  'experiments.read': { analyst: 'tenant', admin: 'tenant' },
  'experiments.define': { admin: 'tenant' },
  'experiments.assign': { participant: 'own', member: 'tenant', admin: 'tenant' },
  'alerts.define': { admin: 'tenant' },
} as const satisfies Record<string, Partial<Record<Role, Reach>>>

export type Permission = keyof typeof permissions

/** The farthest that any of the roles reaches by a permission; undefined when none of them has it. */
export function reachOf(held: readonly Role[], permission: Permission): Reach | undefined {
  const granted: Partial<Record<Role, Reach>> = permissions[permission]
  let reach: Reach | undefined
  for (const role of held) {
    if (granted[role] === 'tenant') return 'tenant'
    reach ??= granted[role]
  }
  return reach
}

/** The roles among any texts, strongest first. */
export function rolesAmong(texts: readonly string[]): Role[] {
  return roles.filter((role) => texts.includes(role)).reverse()
}
