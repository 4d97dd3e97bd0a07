import type { FastifyBaseLogger } from 'fastify'

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/**
 * The logger of a request, made when it first has something to say: most requests have not. Lines of levels that are off cost
 * nothing but the call.
 */
export class RequestLogger {
  readonly #make: () => FastifyBaseLogger
  readonly #parent: FastifyBaseLogger
  #made: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, make: () => FastifyBaseLogger) {
    this.#parent = parent
    this.#make = make
  }

  get level(): string {
    return this.#parent.level as string
  }

  child(...given: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.made.child(...given)
  }

  silent(): void {}

  isLevelEnabled(level: string): boolean {
    return (this.#parent as unknown as { isLevelEnabled(level: string): boolean }).isLevelEnabled(level)
  }

  get made(): FastifyBaseLogger {
    this.#made ??= this.#make()
    return this.#made
  }
}

for (const level of levels)
  Object.defineProperty(RequestLogger.prototype, level, {
    value(this: RequestLogger, ...line: [object, string]) {
      if (this.isLevelEnabled(level)) this.made[level](...line)
    },
  })

export function lazyRequestLogger(
  logger: FastifyBaseLogger,
  bindings: object,
  options: object,
): FastifyBaseLogger {
  return new RequestLogger(logger, () =>
    logger.child(bindings, options as never),
  ) as unknown as FastifyBaseLogger
}
