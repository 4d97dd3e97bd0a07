import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { InputFault, Refusal } from '../domain/decider.ts'

/** A problem document (RFC 9457), with `code` for programs and `errors` for faults of input. */
export interface Problem {
  readonly status: number
  /** A fact in snake_case; stable, unlike `detail`. */
  readonly code: string
  readonly detail: string
  readonly errors?: readonly InputFault[]
  readonly extra?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** Thrown by hooks and handlers of the API to answer a problem; anything else thrown is a broken program. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.problem = problem
  }
}

export function problem(
  status: number,
  code: string,
  detail: string,
  more: Pick<Problem, 'errors' | 'extra' | 'headers'> = {},
): ProblemError {
  return new ProblemError({ status, code, detail, ...more })
}

/** What is not there, or is somebody else's: both look alike. */
export const notFound = (code: string, detail: string) => problem(404, code, detail)

export const inputFaults = (errors: readonly InputFault[], detail = 'The request has faults; see errors.') =>
  problem(422, 'invalid_input', detail, { errors })

export const unknownCursor = () => inputFaults([{ pointer: '/cursor', detail: 'is no cursor of this list' }])

export const refused = (refusal: Refusal) => new ProblemError(problemOfRefusal(refusal))

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.headers) reply.headers(problem.headers)
  return reply
    .code(problem.status)
    .header('content-type', 'application/problem+json')
    .serializer(JSON.stringify)
    .send(problemDocument(problem, request.url))
}

export function problemDocument(problem: Problem, instance: string): Record<string, unknown> {
  return {
    ...problem.extra,
    type: `urn:gangway:problem:${problem.code}`,
    title: STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.detail,
    instance: instance.split('?', 1)[0],
    code: problem.code,
    ...(problem.errors ? { errors: problem.errors } : {}),
  }
}

export function problemOfRefusal(refusal: Refusal): Problem {
  const { status, refused, detail, errors, extra } = refusal
  return { status, code: refused, detail, ...(errors ? { errors } : {}), ...(extra ? { extra } : {}) }
}
