import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { kss, type Ended } from './kss.ts'
import { run, runJson } from './run.ts'
import { folder } from './state-fixture.ts'

/** A file with these settings. */
async function envFile(t: Test, text: string): Promise<string> {
  const path = join(await folder(t), 'kss.env')
  await writeFile(path, text)
  return path
}

t.test('every setting is shown with where it comes from', async (t) => {
  const file = await envFile(t, 'KSS_PORT=9000\nKSS_HISTORY=no\nKSS_TRUSTED_PROXIES=10.0.0.0/8, ::1\n')
  const env = { KSS_PORT: '9001', KSS_BASE_PATH: 'kosync' }
  const { code, stdout } = await kss(
    t,
    ['config', `--env-file=${file}`, '--dir', '/srv/kss', '--disable-registration'],
    env,
  )
  t.equal(code, 0)
  for (const line of [
    /^SETTING +VALUE +FROM$/m,
    /^KSS_HOST +0\.0\.0\.0 +default$/m,
    /^KSS_PORT +9001 +environment$/m,
    /^KSS_DIR +\/srv\/kss +flag$/m,
    /^KSS_BASE_PATH +\/kosync +environment$/m,
    /^KSS_DISABLE_REGISTRATION +true +flag$/m,
    new RegExp(`^KSS_HISTORY +false +env file ${file}$`, 'm'),
    new RegExp(`^KSS_TRUSTED_PROXIES +10\\.0\\.0\\.0/8,::1 +env file ${file}$`, 'm'),
  ]) {
    t.match(stdout, line)
  }
})

t.test('settings of the Audiobookshelf bridge that are given are shown, but for secrets', async (t) => {
  const dir = t.testdir({ '.audiobookshelf': { 'settings.json': '{"AUDIOBOOKSHELF_HTTP_TIMEOUT":"900"}' } })
  const env = {
    AUDIOBOOKSHELF_BASE_URL: 'http://nas.lan',
    AUDIOBOOKSHELF_API_KEY: 'hush',
    AUDIOBOOKSHELF_APIKEY: 'hush',
  }
  const { stdout } = await kss(t, ['config', '--dir', dir], env)
  t.match(
    stdout,
    /^AUDIOBOOKSHELF_BASE_URL +http:\/\/nas\.lan +environment\nAUDIOBOOKSHELF_API_KEY +\(secret\) +environment$/m,
  )
  t.match(stdout, /^AUDIOBOOKSHELF_HTTP_TIMEOUT +900 +console$/m)
  t.notMatch(stdout, 'hush')
  await writeFile(join(dir, '.audiobookshelf', 'settings.json'), '{"AUDIOBOOKSHELF_HTTP_TIMEOUT":"hush"}')
  const broken = await kss(t, ['config', '--dir', dir], env)
  t.match(broken.stderr, /^The settings of the console are not used: AUDIOBOOKSHELF_HTTP_TIMEOUT: expected /m)
  t.notMatch(broken.stdout + broken.stderr, /HTTP_TIMEOUT +|hush/)
})

t.test('scripts get JSON', async (t) => {
  t.match(await runJson('/none', 'config', '--port', '9000', '--dir', '/srv/kss'), [
    { name: 'KSS_HOST', value: '0.0.0.0', source: 'default' },
    { name: 'KSS_PORT', value: 9000, source: 'flag' },
    { name: 'KSS_DIR', value: '/srv/kss', source: 'flag' },
  ])
  t.same(await runJson('/srv/kss', 'config', '--check'), { ok: true })
})

t.test('a check tells what is wrong with exit code 2, and changes nothing', async (t) => {
  const check = async (text: string, ...args: string[]): Promise<Ended> =>
    await run('/none', 'config', '--check', '--env-file', await envFile(t, text), ...args)
  t.match(await check(''), { code: 0, stdout: 'The settings are fine.\n', stderr: '' })
  t.match(await check('KSS_PROT=1'), {
    code: 2,
    stdout: '',
    stderr: 'KSS_PROT is not a setting of kss: ignored. Did you mean KSS_PORT?\nThe settings are not valid.\n',
  })
  t.match(await check('KSS_PORT=http'), {
    code: 2,
    stderr: 'KSS_PORT is "http": expected a whole number from 0 to 65535.\n',
  })
})

t.test('a command for a state directory tells of settings that are none', async (t) => {
  const dir = await folder(t)
  t.match(await run(dir, 'user', 'list', '--env-file', await envFile(t, 'KSS_PROT=1')), {
    code: 0,
    stderr: 'KSS_PROT is not a setting of kss: ignored. Did you mean KSS_PORT?\n',
  })
})
