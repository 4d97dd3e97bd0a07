/** Times are of what happened (`occurredAt`), so those of an imported history are as old as it is. */
export interface SessionRow {
  readonly tenant: string
  readonly id: string
  readonly user_id: string | null
  readonly flow_id: string
  readonly flow_version: number
  readonly status: 'active' | 'paused' | 'completed' | 'abandoned'
  readonly imported: boolean
  readonly started_at: string
  readonly last_activity_at: string
  readonly moved_at: string | null
  readonly completed_at: string | null
  readonly abandoned_at: string | null
  readonly estimated_completion: string | null
  readonly milestone: number
  readonly duration_ms: number | null
  readonly idle_hour: number | null
  readonly revision: number
}
