// The service of the import bench in a process of its own. Tells its parent where it answers, says on request what memory and CPU time it
// takes, and ends with it.
import type { NodeRoles } from '../../src/config.ts'
import { startService } from '../../src/service.ts'
import { createLogger } from '../../src/services/logger.ts'

const [roles, databaseUrl, jwtSecret, dataDir] = process.argv.slice(2) as [NodeRoles, string, string, string]

process.on('disconnect', () => process.exit(0))
const service = await startService(
  {
    host: '127.0.0.1',
    port: 0,
    dataDir,
    databaseUrl,
    jwtSecret,
    jwtExpiresIn: 3600,
    rateLimit: 1_000_000_000,
    roles,
    drainSeconds: 0,
    logLevel: 'error',
  },
  createLogger('error'),
)
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send!({ rss: process.memoryUsage.rss(), cpu: (user + system) / 1e6 })
})
process.send!({ url: service.url })
