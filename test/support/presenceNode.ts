// A node that is there to be killed: enters a session and waits.
import { createRedisPresence } from '../../src/services/presenceRedis.ts'

const [redisUrl, tenant, session] = process.argv.slice(2)
const presence = createRedisPresence({ redisUrl: redisUrl!, onError: console.error, aliveMs: 900 })
presence.enter('session', tenant!, session!)
const entered = setInterval(async () => {
  if ((await presence.count('session', tenant!, session!)) < 1) return
  clearInterval(entered)
  setTimeout(() => process.send!('entered'), 100)
}, 20)
setInterval(() => {}, 1000)
