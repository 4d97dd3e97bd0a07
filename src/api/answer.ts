import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Outcome } from '../commands/handle.ts'
import { type Problem, problemOfRefusal, sendProblem } from './problem.ts'

type Accepted<S, E> = Extract<Outcome<S, E>, { kind: 'accepted' }>

/** Answers a command: what `render` makes of an accepted one, else the problem; with the revision and position it stands at. */
export async function answer<S, E>(
  request: FastifyRequest,
  reply: FastifyReply,
  outcome: Outcome<S, E>,
  render: (accepted: Accepted<S, E>) => unknown,
): Promise<unknown> {
  if ('replayed' in outcome && outcome.replayed) reply.header('idempotent-replayed', 'true')
  if ('position' in outcome && outcome.position !== undefined)
    placed(reply, outcome.revision!, outcome.position)
  if (outcome.kind === 'accepted') return render(outcome)
  return sendProblem(request, reply, problemOfOutcome(outcome))
}

/** The headers that say where a command left the log. */
export function placed(reply: FastifyReply, revision: number, position: string): void {
  reply.header('etag', `"${revision}"`).header('gangway-position', position)
}

function problemOfOutcome<S, E>(outcome: Exclude<Outcome<S, E>, Accepted<S, E>>): Problem {
  switch (outcome.kind) {
    case 'refused':
      return problemOfRefusal(outcome.refusal)
    case 'precondition_failed': {
      const { revision } = outcome
      if (revision === 'no_stream')
        return {
          status: 412,
          code: 'precondition_failed',
          detail: 'There is nothing yet that If-Match could match.',
        }
      return {
        status: 412,
        code: 'precondition_failed',
        detail: `If-Match names another revision than ${revision}.`,
        extra: { revision },
        headers: { etag: `"${revision}"` },
      }
    }
    case 'key_reused':
      return {
        status: 422,
        code: 'idempotency_key_reused',
        detail: 'This Idempotency-Key was used for another request.',
      }
  }
}
