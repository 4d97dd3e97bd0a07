import { expect } from 'vitest'
import type { Client } from '../support/client.ts'

/** Asks the analytics of one flow; what is answered has a place in another tool's answers, hence of any shape. */
export type Ask = (path: string, query: object) => Promise<any>

/** Waits for the index, which may need some seconds more than the import, and asks at no earlier position. */
export function analystAsking(analyst: Client, flowId: string, position: string): Ask {
  const post = (path: string, query: object) =>
    analyst.post(`/analytics/${path}?after=${position}`, { flowId, ...query })
  let indexed: Promise<void> | undefined
  const index = async () => {
    while ((await post('paths', {})).status === 503);
  }
  return async (path, query) => {
    indexed ??= index()
    await indexed
    const { status, body } = await post(path, query)
    if (status !== 200) throw new Error(JSON.stringify(body))
    expect(body).toMatchObject({ exact: true, warnings: expect.any(Array) })
    return body
  }
}

export const filters = (steps: readonly string[]) => steps.map((step) => ({ step }))

export const counts = (rows: readonly { count: number }[]) => rows.map(({ count }) => count)

/** Lines of history, some thousand at a time. */
export async function* chunks(lines: Iterable<object>): AsyncGenerator<Uint8Array> {
  let text: string[] = []
  for (const line of lines) {
    text.push(`${JSON.stringify(line)}\n`)
    if (text.length < 2000) continue
    yield Buffer.from(text.join(''))
    text = []
  }
  yield Buffer.from(text.join(''))
}
