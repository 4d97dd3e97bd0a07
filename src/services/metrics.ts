import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What is measured while running, for Prometheus. No label ever holds a tenant, a person or an id. */
export interface Metrics {
  readonly registry: Registry
  /** By type of command and outcome: accepted, replayed, refused, recorded_refusal, conflict, … */
  command(type: string, outcome: string): void
  /** Seconds from handing events to the log until they were durable. */
  appended(seconds: number, events: number): void
  httpAnswered(route: string, method: string, status: number, seconds: number): void
  sockets(open: number): void
  imported(rows: number, events: number): void
  /** Asked at each scrape. */
  watchProjections(read: () => Promise<readonly ProjectionGauge[]>): void
}

export interface ProjectionGauge {
  readonly name: string
  readonly lagEvents: number
  readonly lagSeconds: number
  readonly parked: number
}

export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry()
  const registers = [registry]
  if (options.processMetrics) collectDefaultMetrics({ register: registry })
  const commands = new Counter({
    name: 'gangway_commands_total',
    help: 'Commands handled, by type and outcome',
    labelNames: ['type', 'outcome'],
    registers,
  })
  const appendSeconds = new Histogram({
    name: 'gangway_append_seconds',
    help: 'Time until an append to the log was durable',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  })
  const events = new Counter({
    name: 'gangway_events_appended_total',
    help: 'Events appended by commands',
    registers,
  })
  const http = new Histogram({
    name: 'gangway_http_request_seconds',
    help: 'Time until a request was answered',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  })
  const sockets = new Gauge({ name: 'gangway_sockets', help: 'Open WebSocket connections', registers })
  const importedRows = new Counter({
    name: 'gangway_import_rows_total',
    help: 'Lines of history imports read',
    registers,
  })
  const importedEvents = new Counter({
    name: 'gangway_import_events_total',
    help: 'Events recorded by history imports',
    registers,
  })
  // What has the same labels is looked up once: it is counted with every request.
  const commandsOf = remembered((type: string, outcome: string) => commands.labels({ type, outcome }))
  const httpOf = remembered((route: string, method: string, status: number) =>
    http.labels({ route, method, status }),
  )
  return {
    registry,
    command: (type, outcome) => commandsOf(type, outcome).inc(),
    appended(seconds, count) {
      appendSeconds.observe(seconds)
      events.inc(count)
    },
    httpAnswered: (route, method, status, seconds) => httpOf(route, method, status).observe(seconds),
    sockets: (open) => sockets.set(open),
    imported(rows, count) {
      importedRows.inc(rows)
      importedEvents.inc(count)
    },
    watchProjections: (read) => watchProjections(registers, read),
  }
}

function watchProjections(registers: Registry[], read: () => Promise<readonly ProjectionGauge[]>): void {
  let reading: Promise<readonly ProjectionGauge[]> | undefined
  const status = () => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }
  const gauge = (name: string, help: string, value: (status: ProjectionGauge) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['projection'],
      registers,
      async collect() {
        for (const projection of await status()) this.set({ projection: projection.name }, value(projection))
      },
    })
  gauge(
    'gangway_projection_lag_events',
    'Events in the log that the read model has not seen',
    (status) => status.lagEvents,
  )
  gauge(
    'gangway_projection_lag_seconds',
    'Age of the oldest event that the read model has not seen',
    (status) => status.lagSeconds,
  )
  gauge(
    'gangway_projection_parked_keys',
    'Keys whose events wait behind one that could not be applied',
    (status) => status.parked,
  )
}

function remembered<Labels extends readonly (string | number)[], T>(make: (...labels: Labels) => T) {
  const made = new Map<string, T>()
  return (...labels: Labels): T => {
    const name = labels.join('\u0000')
    let one = made.get(name)
    if (one === undefined) {
      one = make(...labels)
      made.set(name, one)
    }
    return one
  }
}
