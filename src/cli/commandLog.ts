import pino from 'pino'
import { type Config, readConfig } from '../config.ts'
import { type OpenLog, openLog } from '../log.ts'
import { createLogger } from '../services/logger.ts'
import { fail } from './commandLine.ts'

/** What the environment says, as the service reads it; ends the process when it has faults. */
export function readCommandConfig(): Config {
  const read = readConfig(process.env)
  if ('faults' in read) fail(read.faults.map(({ variable, detail }) => `${variable} ${detail}`).join('\n'))
  return read.config
}

/**
 * The log and database that the service uses, opened beside it by a command of the terminal; ends the process with one line when
 * that cannot be. What goes wrong on the way is told on the standard error.
 */
export async function openCommandLog(): Promise<{ readonly config: Config; readonly log: OpenLog }> {
  const config = readCommandConfig()
  try {
    return { config, log: await openLog(config, createLogger('error', pino.destination(2))) }
  } catch (error) {
    return fail(`The log cannot be opened: ${(error as Error).message}`)
  }
}
