// Runs under whatever Node the machine has, before anything is installed: plain JavaScript, built-ins only.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = `${root}node_modules/.gangway-installed`
const wanted = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('Installing what is missing (once; about a minute) …')
  const npm = process.env.npm_execpath
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []]
  // Not `npm ci`: that refuses a lock file that leaves out what a registry does not have, such as binaries of other platforms. This
  // keeps to the locked versions as well, and writes nothing but node_modules.
  const flags = ['install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error']
  if (process.stderr.isTTY) flags.push('--progress')
  const { status, error } = spawnSync(command, [...args, ...flags], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) {
    console.error(
      `npm install failed${error ? `: ${error.message}` : ''}. Check the network and run the command again.`,
    )
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
  console.error('Installed.')
}
