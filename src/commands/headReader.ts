import type { EventStore, StreamHead } from '../eventStore/eventStore.ts'

/**
 * Reads the heads of streams, those asked for together in one call to the log. A head is never older than the question: a question
 * that comes while a call is under way waits for the next one.
 */
export function createHeadReader(store: Pick<EventStore, 'heads'>) {
  let waiting = new Map<string, Question[]>()
  let running = false

  async function run(): Promise<void> {
    running = true
    while (waiting.size > 0) {
      const asked = waiting
      waiting = new Map()
      try {
        const heads = await store.heads([...asked.keys()])
        for (const [stream, questions] of asked)
          for (const question of questions) question.resolve(heads.get(stream))
      } catch (error) {
        for (const questions of asked.values()) for (const question of questions) question.reject(error)
      }
    }
    running = false
  }

  return (stream: string): Promise<StreamHead | undefined> =>
    new Promise((resolve, reject) => {
      const questions = waiting.get(stream)
      if (questions) questions.push({ resolve, reject })
      else waiting.set(stream, [{ resolve, reject }])
      if (!running) {
        running = true
        setImmediate(run)
      }
    })
}

export type ReadHead = ReturnType<typeof createHeadReader>

interface Question {
  readonly resolve: (head: StreamHead | undefined) => void
  readonly reject: (error: unknown) => void
}
