import { parseArgs } from 'node:util'

export interface OptionDoc {
  readonly value?: string
  readonly help: string
  readonly required?: boolean
}

export interface CommandLine {
  /** `npm run token -- --tenant T …` */
  readonly usage: string
  readonly summary: string
  readonly options: Readonly<Record<string, OptionDoc>>
  /** Names of the words that are not options, in order; a trailing `?` marks one that may be left out. */
  readonly words?: readonly string[]
}

export interface Parsed {
  readonly options: Readonly<Record<string, string | undefined>>
  readonly flags: ReadonlySet<string>
  readonly words: readonly string[]
}

/** Ends the process with one clear line and a code that says it failed. */
export function fail(message: string, code = 1): never {
  process.stderr.write(`${message}\n`)
  process.exit(code)
}

/** Reads the arguments, prints help for `--help`, and ends with one line and code 2 for what it does not know. */
export function readCommandLine(line: CommandLine, args: readonly string[] = process.argv.slice(2)): Parsed {
  const known = { ...line.options, help: { help: 'this text' } } as Record<string, OptionDoc>
  const usage = (message: string): never => fail(`${message}\n${line.usage}   (--help tells more)`, 2)
  const parsed = (() => {
    try {
      return parseArgs({
        args: [...args],
        allowPositionals: true,
        options: Object.fromEntries(
          Object.entries(known).map(([name, option]) => [
            name,
            { type: option.value ? 'string' : 'boolean' },
          ]),
        ),
      })
    } catch (error) {
      return usage((error as Error).message.split('. ')[0]!)
    }
  })()
  const values = parsed.values as Record<string, string | boolean | undefined>
  if (values.help) {
    process.stdout.write(`${help(line, known)}\n`)
    process.exit(0)
  }
  for (const [name, option] of Object.entries(known))
    if (option.required && !values[name]) usage(`--${name} is missing`)
  const words = line.words ?? []
  const needed = words.filter((word) => !word.endsWith('?')).length
  if (parsed.positionals.length < needed) usage(`${words[parsed.positionals.length]} is missing`)
  if (parsed.positionals.length > words.length)
    usage(`"${parsed.positionals[words.length]}" is one word too many`)
  return {
    options: Object.fromEntries(
      Object.entries(values).filter(([, value]) => typeof value === 'string'),
    ) as Record<string, string>,
    flags: new Set(Object.keys(values).filter((name) => values[name] === true)),
    words: parsed.positionals,
  }
}

function help(line: CommandLine, options: Readonly<Record<string, OptionDoc>>): string {
  const rows = Object.entries(options).map(
    ([name, option]) => [`--${name}${option.value ? ` ${option.value}` : ''}`, option.help] as const,
  )
  const width = Math.max(...rows.map(([name]) => name.length))
  return [
    line.usage,
    '',
    line.summary,
    '',
    ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`),
  ].join('\n')
}
