import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pushed } from '../store/contract.ts'
import { runJson } from './run.ts'
import { day, folder, headersOf, now, serveHere, stateFolder } from './state-fixture.ts'
import { launcher } from '../launcher.ts'
import { adminByName } from '../store/by-name.ts'

const isUtilLinux = /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '')
const skip = !isUtilLinux && 'there is no script(1) of util-linux, which makes a pseudo-terminal'

/** What is typed, or makes it of all that was shown so far. */
type Answer = string | ((shown: string) => string | Promise<string>)

/** Runs kss on a terminal, with somebody who types each answer when its question is shown. */
async function type(
  t: Test,
  args: string[],
  dialogue: [string, Answer][],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; shown: string }> {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KSS_')))
  // exec: a shell that waits for kss would be ended by Ctrl+C itself, with its own exit code.
  const command = `exec ${[process.execPath, launcher, ...args].map((word) => `'${word}'`).join(' ')}`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...clean, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const left = [...dialogue]
  let [shown, unanswered] = ['', '']
  child.stdout.on('data', (chunk) => {
    shown += String(chunk)
    unanswered += String(chunk)
    const [question, answer] = left[0] ?? ['', '']
    if (left.length === 0 || !unanswered.includes(question)) return
    left.shift()
    unanswered = ''
    void Promise.resolve(typeof answer === 'string' ? answer : answer(shown)).then((text) => child.stdin.write(text))
  })
  const [code] = (await once(child, 'close')) as [number]
  return { code, shown: shown.replaceAll('\r\n', '\n') }
}

t.test('a person at a terminal is asked, and sees no password', { skip }, async (t) => {
  const dir = await stateFolder(t)
  const added = await type(
    t,
    ['user', 'add', 'bob', '--dir', dir],
    [
      ['Password: ', 'correct horse\n'],
      ['Again: ', 'correct horse\n'],
    ],
  )
  t.equal(added.code, 0)
  t.match(added.shown, /Password: [^]*Again: [^]*bob can log in now\.\n$/)
  t.notMatch(added.shown, 'correct')
  const server = await serveHere(t, dir)
  const { status } = await fetch(`${server.url}/users/auth`, { headers: headersOf('bob', 'correct horse') })
  t.equal(status, 200)
  await server.close()

  const kept = await type(t, ['user', 'rm', 'bob', '--dir', dir], [['[y/N] ', 'n\n']])
  t.equal(kept.code, 1)
  t.match(kept.shown, /Remove bob with 0 documents and \d+B\? \[y\/N\] [^]*Nothing was changed\.\n$/)
  for (const keys of ['\u0003', '\u0004']) {
    const interrupted = await type(t, ['user', 'rm', 'bob', '--dir', dir], [['[y/N] ', keys]])
    t.equal(interrupted.code, 1)
    t.match(interrupted.shown, /Nothing was changed\.\n$/)
    const unsaid = await type(t, ['user', 'add', 'eve', '--dir', dir], [['Password: ', keys]])
    t.equal(unsaid.code, 1)
    t.match(unsaid.shown, /Nothing was changed\.\n$/)
  }
  t.match(await runJson(dir, 'user', 'list'), [{}, { username: 'bob' }])
  const removed = await type(t, ['user', 'rm', 'bob', '--dir', dir], [['[y/N] ', 'y\n']])
  t.equal(removed.code, 0)
  t.match(removed.shown, /bob is gone, with 0 documents and \d+B\.\n$/)
})

t.test('a terminal shows how far long work has come, and takes no backup', { skip }, async (t) => {
  const dir = await stateFolder(t)
  const listed = await type(t, ['user', 'list', '--dir', dir], [])
  t.equal(listed.code, 0)
  t.match(listed.shown, /^(\r\[\.{30}\] 0 of 1 user)?\r\[#{30}\] 1 of 1 user\nNAME /)
  const refused = await type(t, ['backup', 'create', '-', '--dir', dir], [])
  t.same(refused, {
    code: 2,
    shown: 'An archive cannot be written to a terminal. Try: kss backup create - > kss.tar.gz\n',
  })
  const typed = await type(t, ['backup', 'restore', '-', '--dir', dir], [])
  t.same(typed, {
    code: 2,
    shown: 'An archive cannot be read from a terminal. Try: kss backup restore - < kss.tar.gz\n',
  })
})

t.test(
  'the command that the server shows closes its own registration, typed in another folder',
  { skip },
  async (t) => {
    const work = await folder(t)
    const dir = join(work, 'the family’s books')
    const env = { ...process.env, HOME: work, XDG_DATA_HOME: join(work, 'default') }
    await mkdir(join(env.XDG_DATA_HOME, 'kss'), { recursive: true })
    const typeCommand = (shown: string): string => {
      const [, command = ''] = /close it: (.*)\r\n/.exec(shown) ?? []
      t.match(spawnSync('bash', ['-c', command], { cwd: work, env, encoding: 'utf8' }), {
        status: 0,
        stdout: /^Registration is closed\.$/m,
      })
      return '\u0003'
    }
    const args = ['serve', '--host', '127.0.0.1', '--port', '0', '--dir', dir]
    const { code } = await type(t, args, [[`--dir '${dir}'\r\n`, typeCommand]])
    t.equal(code, 0)
    t.same(JSON.parse(await readFile(join(dir, '.registration.json'), 'utf8')), { open: false, invited: [] })
  },
)

t.test('an account that pushes while a person is asked whether to remove it stays', { skip }, async (t) => {
  const rows = [{ ...pushed, timestamp: now - 800 * day }]
  const dir = await stateFolder(t, async (store) => {
    for (const username of ['bob', 'carl']) {
      await store.createUser({ username, key: headersOf(username, 'secret')['x-auth-key'] ?? '' })
      await adminByName(store).importAccount(username, [{ rows }])
    }
  })
  const server = await serveHere(t, dir)
  const pushAndAnswer = async (): Promise<string> => {
    const body = JSON.stringify({ document: 'abc', percentage: 0.5, progress: '7', device: 'Kobo' })
    const reply = await fetch(`${server.url}/syncs/progress`, {
      method: 'PUT',
      headers: headersOf('carl', 'secret'),
      body,
    })
    t.equal(reply.status, 200)
    return 'y\n'
  }
  const removed = await type(t, ['user', 'rm', '--inactive', '2y', '--dir', dir], [['[y/N] ', pushAndAnswer]])
  t.equal(removed.code, 0)
  t.match(removed.shown, /Remove 2 accounts with 2 documents [^]*\n1 account removed, with 1 document and /)
  t.match(await runJson(dir, 'user', 'list'), [{ username: 'alice' }, { username: 'carl' }])
})

for (const [what, env, hasColours] of [
  ['colours', {}, true],
  ['no colours with NO_COLOR', { NO_COLOR: '1' }, false],
] as const) {
  t.test(`the log on a terminal has ${what}, and the lines of an error`, { skip }, async (t) => {
    const dir = await stateFolder(t)
    await writeFile(join(dir, '.registration.json'), '{')
    const args = ['serve', '--host', '127.0.0.1', '--port', '0', '--dir', dir]
    // With CI set Node takes a terminal for one without colours.
    const terminal = { TERM: 'xterm-256color', CI: undefined, NO_COLOR: undefined, FORCE_COLOR: undefined, ...env }
    const { code, shown } = await type(t, args, [['Registration:', '\u0003']], terminal)
    t.equal(code, 0)
    t.match(shown, /damaged file[^]*registration\.json: is not JSON\n +at /)
    t.equal(shown.includes('\u001b[31mERROR'), hasColours)
  })
}
