import { parseArgs } from 'node:util'
import { startControl } from './control.ts'
import { startEsdbServer } from './server.ts'

const help = `Usage: node test/support/esdb/main.ts [--port N] [--control N] [--file F]

Serves EventStoreDB's gRPC protocol on 127.0.0.1 (a free port unless told), prints one line of JSON with its ports, and takes faults on the
control port. With --file the log is there again after a restart.`

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    control: { type: 'string', default: '0' },
    file: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit(0)
}

const server = await startEsdbServer({
  port: Number(values.port),
  ...(values.file !== undefined && { file: values.file }),
})
const control = await startControl(server, Number(values.control))
console.log(
  JSON.stringify({ port: server.port, control: control.port, connectionString: server.connectionString }),
)
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    control.stop()
    void server.stop().then(() => process.exit(0))
  })
}
