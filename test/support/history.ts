import type { Client } from './client.ts'

/** Publishes a flow of the given steps, none of which waits for another. */
export async function publish(admin: Client, flowId: string, steps: readonly string[]): Promise<void> {
  const definition = {
    id: flowId,
    title: flowId,
    steps: steps.map((id) => ({ id, title: id, kind: 'form' })),
  }
  const { status, body } = await admin.post('/flows', definition)
  if (status !== 201) throw new Error(JSON.stringify(body))
}

/** Imports lines and answers the position after which they are all there. */
export async function importHistory(
  admin: Client,
  flowId: string,
  lines: readonly object[],
): Promise<string> {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  const { status, body } = await admin.importLines(flowId, text)
  if (status !== 200 || body.rejectedCount > 0) throw new Error(JSON.stringify(body).slice(0, 2000))
  return body.position
}

/** A time so many hours after the first of January 2026. */
export const hour = (hours: number): string => new Date(Date.UTC(2026, 0, 1) + hours * 36e5).toISOString()

/** A completed step of a session. */
export const done = (session: string, step: string, hours: number, data?: object): object => ({
  session,
  step,
  at: hour(hours),
  ...(data && { data }),
})
