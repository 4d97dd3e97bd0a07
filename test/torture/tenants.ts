import { issueToken } from '../../src/api/auth.ts'
import { JWT_SECRET } from './secret.ts'

export const TENANTS = ['amber', 'birch'] as const

/** Good for longer than any clock is set off. */
const MONTH_SECONDS = 30 * 86_400

export const token = (tenant: string, sub: string, ...roles: string[]) =>
  issueToken(JWT_SECRET, { sub, tenant, roles }, MONTH_SECONDS)
