import { execFile } from 'node:child_process'
import { join } from 'node:path'

export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a program of `src/cli` to its end. */
export function runProgram(
  name: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const file = join(import.meta.dirname, `../../src/cli/${name}.ts`)
  const options = { env: { ...process.env, ...environment }, maxBuffer: 64 * 1024 * 1024 }
  return new Promise((ended) => {
    execFile(process.execPath, [file, ...args], options, (error, out, err) =>
      ended({ code: error ? Number(error.code) : 0, out, err }),
    )
  })
}
