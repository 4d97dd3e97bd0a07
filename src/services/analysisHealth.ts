import { Gauge, type Registry } from 'prom-client'
import type { IndexStatus } from '../projections/analysis/messages.ts'

interface Status {
  readonly name: string
  readonly position: string
  readonly lagEvents: number
  readonly lagSeconds: number
  readonly parked: number
}

interface Statuses {
  status(): Promise<readonly Status[]>
}

interface Index {
  status(): Promise<IndexStatus | undefined>
}

/** The read models with the analysis index among them: how far each is behind. */
export function withAnalysis<Models extends Statuses>(models: Models, analysis: Index): Models {
  return Object.create(models, {
    status: {
      value: async () => {
        const [others, index] = await Promise.all([models.status(), analysis.status()])
        if (!index) return others
        const { position, lagEvents, lagSeconds } = index
        return [...others, { name: 'analysis', position, lagEvents, lagSeconds, parked: 0 }]
      },
    },
  })
}

/** Measures of the index, asked at each scrape. */
export function watchAnalysis(registry: Registry, analysis: Index): void {
  const registers = [registry]
  const bytes = new Gauge({
    name: 'gangway_analysis_bytes',
    help: 'Memory that the columns of the analysis index hold',
    registers,
    async collect() {
      const status = await analysis.status()
      if (!status) return
      bytes.set(status.bytes)
      events.set(status.events)
      flows.set(status.flows)
    },
  })
  const events = new Gauge({
    name: 'gangway_analysis_events',
    help: 'Events in the analysis index',
    registers,
  })
  const flows = new Gauge({
    name: 'gangway_analysis_flows',
    help: 'Flows with an index of their own',
    registers,
  })
}
