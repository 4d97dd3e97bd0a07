const WIDTH = 30

/** One line on a terminal that shows how far long work is; nothing where the standard error is not a terminal. */
export function progressBar(name: string, stream: NodeJS.WriteStream = process.stderr) {
  let drawnAt = 0
  const draw = (share: number, rest: string) => {
    const done = Math.round(Math.min(1, Math.max(0, share)) * WIDTH)
    const bar = '█'.repeat(done) + '░'.repeat(WIDTH - done)
    const line = `${name} ${bar} ${Math.floor(share * 100)} % ${rest}`
    stream.write(`\r\u001b[2K${line.slice(0, (stream.columns ?? 80) - 1)}`)
  }
  return {
    /** `share` from 0 to 1. Drawn ten times a second at most. */
    update(share: number, rest: string): void {
      if (!stream.isTTY || performance.now() - drawnAt < 100) return
      drawnAt = performance.now()
      draw(share, rest)
    },
    stop(): void {
      if (stream.isTTY && drawnAt > 0) stream.write('\r\u001b[2K')
    },
  }
}
