import pg from 'pg'

/**
 * A pool whose connections may be lost at any moment. Whoever is using one learns of it by the call that fails; `pg` tells by an event
 * besides, which would end the process where nobody listens.
 */
export function createPool(options: pg.PoolConfig, onTrouble: (error: Error) => void = () => {}): pg.Pool {
  const pool = new pg.Pool({ keepAlive: true, ...options })
  pool.on('error', onTrouble)
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
