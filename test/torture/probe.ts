import v8 from 'node:v8'

// Loaded into a node with --import: tells the harness what the process holds, after everything it can do without has been collected.

export interface Held {
  readonly heapBytes: number
  /** Sockets, servers, timers and the like that the event loop knows, by kind. */
  readonly handles: Readonly<Record<string, number>>
  /** Functions alive: every listener and callback is one. */
  readonly functions: number
  readonly emitters: number
}

process.on('message', async () => {
  const { EventEmitter } = await import('node:events')
  const count = (kind: new (...args: never[]) => unknown) => v8.queryObjects(kind, { format: 'count' })
  ;(globalThis as { gc?: () => void }).gc?.()
  const handles: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1
  const held: Held = {
    heapBytes: process.memoryUsage().heapUsed,
    handles,
    functions: count(Function),
    emitters: count(EventEmitter),
  }
  process.send!(held)
})
process.channel?.unref()
