import type { FaultName } from './faults.ts'

/** A line of the service's code and what is put in its place: a deliberate fault, which its invariant must catch. */
export interface Breakage {
  readonly invariant: number
  readonly file: string
  readonly from: string
  readonly to: string
  /** What shows it soonest. */
  readonly fault: FaultName
}

export const breakages: Readonly<Record<string, Breakage>> = {
  'repeats-forgotten': {
    invariant: 1,
    file: 'src/commands/job.ts',
    from: 'const first = context.keyed ? snapshot.commands.get(context.commandId) : undefined',
    to: 'const first = undefined',
    fault: 'client network cut',
  },
  'repeats-refused': {
    invariant: 2,
    file: 'src/commands/job.ts',
    from: "return { kind: 'repeat', revision: first }",
    to: "return told(refused({ refused: 'seen_before', status: 409, detail: 'It was sent before.' }))",
    fault: 'client network cut',
  },
  'positions-skipped': {
    invariant: 3,
    file: 'src/eventStore/postgresSchema.ts',
    from: 'update log.counter c set position = c.position + total returning',
    to: 'update log.counter c set position = c.position + total + 1 returning',
    fault: 'client network cut',
  },
  'fold-asks-the-clock': {
    invariant: 4,
    file: 'src/projections/sessions.ts',
    from: 'last_activity_at: occurredAt,',
    to: 'last_activity_at: new Date().toISOString(),',
    fault: 'client network cut',
  },
  'frames-lost': {
    invariant: 5,
    file: 'src/api/liveJoin.ts',
    from: 'if (sink.send(frame.bytes)) sent',
    to: 'if (frame.revision % 7 === 3 || sink.send(frame.bytes)) sent',
    fault: 'client network cut',
  },
  'tenants-mixed-up': {
    invariant: 6,
    file: 'src/api/sessionRoutes.ts',
    from: 'sessions.find(request.caller.tenant,',
    to: "sessions.find(request.caller.tenant === 'amber' ? 'birch' : 'amber',",
    fault: 'client network cut',
  },
  'imports-repeated': {
    invariant: 7,
    file: 'src/commands/import/importWriter.ts',
    from: 'if (known.lines.has(line.id)) return false',
    to: '',
    fault: 'client network cut',
  },
  'projecting-gives-up': {
    invariant: 8,
    file: 'src/projections/runner.ts',
    from: 'await pause(Math.min(25 * 2 ** attempt++, 1000))',
    to: 'await pause(attempt++ * 1e9)\n      await pause(1e9)',
    fault: 'postgres killed',
  },
}
