import pino from 'pino'
import { type Config, readConfig } from '../config.ts'
import { type OpenLog, openLog } from '../log.ts'
import { createLogger } from '../services/logger.ts'
import { fail } from './commandLine.ts'

/**
 * The log and database that the service uses, opened beside it by a command of the terminal; ends the process with one line when
 * that cannot be. What goes wrong on the way is told on the standard error.
 */
export async function openCommandLog(): Promise<{ readonly config: Config; readonly log: OpenLog }> {
  const read = readConfig(process.env)
  if ('faults' in read) fail(read.faults.map(({ variable, detail }) => `${variable} ${detail}`).join('\n'))
  const { config } = read
  try {
    return { config, log: await openLog(config, createLogger('error', pino.destination(2))) }
  } catch (error) {
    return fail(`The log cannot be opened: ${(error as Error).message}`)
  }
}
