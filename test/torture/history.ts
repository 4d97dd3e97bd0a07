/** What a client asked for and what it was told, over all its attempts. */
export interface Told {
  readonly tenant: string
  readonly token: string
  readonly key: string
  readonly method: 'POST' | 'PUT'
  readonly path: string
  readonly body: unknown
  /** Whether accepting it always adds to the log. */
  readonly records: boolean
  /** Outcomes of attempts that told nothing: a code, a status, or an error of the network. */
  readonly lost: string[]
  answer?: Answer
}

export interface Answer {
  readonly status: number
  readonly body: any
  readonly text: string
  readonly revision: string | null
  readonly position: string | null
  readonly replayed: boolean
}

export interface Violation {
  /** Number of the invariant in docs/reliability.md. */
  readonly invariant: number
  readonly detail: string
  /** What shows it. */
  readonly evidence?: unknown
}

export class History {
  readonly commands: Told[] = []
  readonly violations: Violation[] = []
  /** Numbers of the report. */
  readonly counts: Record<string, number> = {}
  readonly #said = new Set<string>()

  /** The same words are noted once. */
  violated(invariant: number, detail: string, evidence?: unknown): void {
    const name = `${invariant} ${detail}`
    if (this.#said.has(name)) return
    this.#said.add(name)
    this.violations.push({ invariant, detail, ...(evidence !== undefined && { evidence }) })
    console.error(`VIOLATION of ${name}`)
  }

  count(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by
  }
}
