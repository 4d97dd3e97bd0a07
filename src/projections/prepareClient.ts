import type pg from 'pg'

/** Session settings of the connections of projecting: UTC for times, plans by index, commits that need not wait for the disk. */
export async function prepareClient(client: pg.ClientBase): Promise<void> {
  await client.query(`
    set timezone = 'UTC';
    set datestyle = 'ISO';
    set synchronous_commit = off;
    set enable_seqscan = off;
    set enable_hashjoin = off;
    set enable_mergejoin = off;
    set plan_cache_mode = force_generic_plan;
    set idle_in_transaction_session_timeout = '2s';
  `)
}
