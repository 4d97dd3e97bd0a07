// `npm start`: the service, with the memory settings that must stand in its environment from the beginning.
import { fileURLToPath } from 'node:url'
import { MEMORY_SETTINGS } from '../src/memorySettings.ts'

const { platform, execPath, execArgv, argv, env } = process
const isTold = Object.keys(MEMORY_SETTINGS).some((name) => name in env)
if (platform === 'linux' && !isTold) {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  // The same process under the same id, so that terminal and signals stay its own.
  process.execve?.(execPath, [execPath, ...execArgv, main, ...argv.slice(2)], { ...env, ...MEMORY_SETTINGS })
}
await import('../src/main.ts')
