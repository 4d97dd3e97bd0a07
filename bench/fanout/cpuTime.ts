import type { CpuTime } from './parts.ts'

/** What this process has taken so far. */
export function cpuTime(): CpuTime {
  const sum = ({ user, system }: NodeJS.CpuUsage) => user + system
  return { thread: sum(process.threadCpuUsage()), process: sum(process.cpuUsage()) }
}
