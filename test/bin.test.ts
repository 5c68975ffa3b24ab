import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { kss } from './commands/kss.ts'
import { stateFolder } from './commands/state-fixture.ts'
import { launcher } from './launcher.ts'

t.test('the version is that of the package', async (t) => {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  for (const word of ['--version', '-v', '-V', 'version'])
    t.match(await kss(t, [word]), { code: 0, stdout: `${version}\n` })
})

t.test('every command is explained, with examples', async (t) => {
  const { code, stdout } = await kss(t, ['--help'])
  t.equal(code, 0)
  for (const command of ['serve', 'hash', 'healthcheck']) {
    t.match(stdout, command)
    const help = await kss(t, ['help', command])
    t.equal(help.code, 0)
    t.match(help.stdout, /Examples:\n {2}\$ /)
    t.same(await kss(t, [command, '--help']), help)
  }
})

for (const [args, message] of [
  [[], /^Usage: kss /],
  [['sreve'], /unknown command 'sreve'\n\(Did you mean serve\?\)/],
  // All names must be known then, not only that of the command that was asked for.
  [['usre', 'list'], /unknown command 'usre'\n\(Did you mean user\?\)/],
  [['serve', '--prot', '1'], /unknown option '--prot'\n\(Did you mean --port\?\)/],
  [['serve', '--port'], /argument missing/],
  [['serve', '--port', ''], /--port is empty/],
  [['serve', 'now'], /too many arguments/],
  [['user', 'rm', 'ann', '--yes', '--dir', ''], /--dir is empty/],
  [['config', '--check', '--base-path', ''], /--base-path is empty/],
  [['backup', 'create', ''], /<target> is empty/],
  [['hash', 'a', ''], /<file> is empty/],
  [['hash'], /missing required argument/],
  [['serve', '--port', 'http'], /^KSS_PORT is "http": expected a whole number from 0 to 65535\.\n$/],
] as const) {
  t.test(`kss ${args.join(' ')} ends with code 2, and says why`, async (t) => {
    const ended = await kss(t, [...args])
    t.equal(ended.code, 2)
    t.match(ended.stderr, message)
    t.notMatch(ended.stderr, /\n {4}at /, 'no stack trace')
  })
}

t.test('an env file that is not there is one line', async (t) => {
  const ended = await kss(t, ['serve', '--env-file', '/none'])
  // Node itself takes the flag first, wherever it stands (20, 22 and 24 do), and then ends with code 9.
  t.ok(ended.code === 2 || ended.code === 9)
  t.match(ended.stderr, /^(Cannot read the env file \/none: ENOENT.*|.*\/none: not found)\n$/)
})

t.test('an env file is read', async (t) => {
  const dir = t.testdir({ env: 'KSS_PORT=http\n' })
  t.match(await kss(t, ['serve', '--env-file', `${dir}/env`]), { code: 2, stderr: /^KSS_PORT is "http"/ })
})

t.test('what a name would do to the terminal is not printed', async (t) => {
  const ended = await kss(t, ['user', 'disable', '\u001b[31mred\u202e', '--dir', t.testdir({})])
  t.match(ended, { code: 1, stderr: /^There is no user \\u\{1b\}\[31mred\\u\{202e\}\. / })
})

/** Runs a line of bash in which `kss` is the built one, on a state directory with an account. */
async function bash(t: Test, line: string): Promise<{ code: number | null; stderr: string }> {
  const dir = await stateFolder(t)
  const script = `set -o pipefail; kss() { "${process.execPath}" "${launcher}" "$@"; }; ${line}`
  const child = spawn('bash', ['-c', script], {
    env: { ...process.env, KSS_DIR: dir },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stderr }
}

for (const [line, code, stderr] of [
  ['kss user list | true', 0, ''],
  ['kss doc list alice --json | true', 0, ''],
  ['kss export --all --format csv | true', 0, ''],
  ['kss --help | true', 0, ''],
  ['kss backup create - | true', 1, 'It failed: write EPIPE\n'],
  ['kss user list 2>&1 >/dev/full | true', 1, ''],
  ['kss user list > /dev/full', 1, /^Cannot write to standard output: ENOSPC: .*\n$/],
  ['kss --help > /dev/full', 1, /^Cannot write to standard output: ENOSPC: .*\n$/],
  ['kss hash /bin/sh > /dev/full', 1, /^Cannot write to standard output: ENOSPC: .*\n$/],
  ['kss export --all --format csv > /dev/full', 1, /^It failed: ENOSPC: .*\n$/],
  ['kss backup create - > /dev/full', 1, /^It failed: ENOSPC: .*\n$/],
] as const) {
  const skip = process.platform !== 'linux' && 'there is no /dev/full'
  t.test(`${line} is no stack trace`, { skip }, async (t) => {
    t.match(await bash(t, line), { code, stderr })
  })
}
