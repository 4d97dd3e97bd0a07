import { setTimeout as delay } from 'node:timers/promises'
import type { Answer, History, Told } from './history.ts'
import type { Random } from './random.ts'

export interface Retrying {
  readonly urls: readonly string[]
  readonly history: History
  readonly random: Random
  /** False once it is no longer worth asking. */
  readonly going: () => boolean
}

const PATIENCE_MS = 8000

/** Asks, as a real client does, one node after the other with the same key until it is told something. */
export async function ask(
  told: Told,
  { urls, history, random, going }: Retrying,
): Promise<Answer | undefined> {
  for (let attempt = 0; going(); attempt++) {
    const url = random.pick(urls)
    try {
      const answer = await send(url, told)
      if (answer.status < 500 && answer.status !== 429) return answer
      told.lost.push(`${answer.status} ${answer.body?.code ?? ''}`)
      history.count(`answers ${answer.status} ${answer.body?.code ?? ''}`)
      if (answer.status === 500)
        history.violated(
          1,
          `500 ${answer.body?.code} to ${told.method} ${told.path.replace(/[^/]{20,}/g, '…')}`,
          answer.text,
        )
    } catch (error) {
      const { cause, name } = error as Error & { cause?: { code?: string } }
      told.lost.push(cause?.code ?? name)
      history.count(`no answer: ${cause?.code ?? name}`)
    }
    await delay(Math.min(50 * 2 ** attempt, 800) * (0.5 + random.next() / 2))
  }
  return undefined
}

/** One request, one answer. @throws when none came whole. */
export async function send(
  url: string,
  {
    method,
    path,
    body,
    token,
    key,
  }: Pick<Told, 'path' | 'body' | 'token'> & { method: string; key?: string },
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(body === undefined
        ? {}
        : { 'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  const text = await response.text()
  const json = /[/+]json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    text,
    body: json ? JSON.parse(text) : undefined,
    revision: response.headers.get('etag'),
    position: response.headers.get('gangway-position'),
    replayed: response.headers.get('idempotent-replayed') === 'true',
  }
}

/** Whether a second answer is the first again. */
export function sameAnswer(first: Answer, second: Answer): boolean {
  return (
    first.status === second.status &&
    first.revision === second.revision &&
    first.position === second.position &&
    withoutInstance(first) === withoutInstance(second)
  )
}

const withoutInstance = ({ text, body }: Answer) =>
  body?.instance === undefined ? text : JSON.stringify({ ...body, instance: undefined })
