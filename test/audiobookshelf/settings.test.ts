import fc from 'fast-check'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { jsonErrorAt } from '../../src/audiobookshelf/json-position.ts'
import { SettingsFile } from '../../src/audiobookshelf/settings-file.ts'
import { isItemId, readSettings, SettingError, type Settings, type Values } from '../../src/audiobookshelf/settings.ts'

const files: Record<string, string> = { '/key': 'file-key\n', '/map': '{"ann": "map-key"}', '/empty': '' }

function readFileOf(path: string): string {
  const text = files[path]
  if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' })
  return text
}

const read = (values: Values): Settings =>
  readSettings({ AUDIOBOOKSHELF_BASE_URL: 'https://abs.example', ...values }, readFileOf)!

function errorOf(values: Values): string {
  try {
    read(values)
    return ''
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    return error.message
  }
}

t.test('without a base URL the bridge is off', (t) => {
  t.equal(readSettings({}, readFileOf), undefined)
  t.equal(readSettings({ AUDIOBOOKSHELF_BASE_URL: ' ', AUDIOBOOKSHELF_USER_MAP: '{' }, readFileOf), undefined)
  t.end()
})

t.test('has defaults', (t) => {
  t.same(read({}), {
    baseUrl: 'https://abs.example',
    timeoutMs: 5000,
    deviceName: 'Audiobookshelf',
    defaultKey: undefined,
    users: new Map(),
    documents: new Map(),
    warnings: [],
  })
  t.end()
})

t.test('takes an address with a path, and drops one slash at its end', (t) => {
  t.equal(read({ AUDIOBOOKSHELF_BASE_URL: 'http://localhost:13378/abs/' }).baseUrl, 'http://localhost:13378/abs')
  for (const url of [
    'ftp://a',
    'https://u:p@a',
    'https://a?b',
    'https://a#b',
    'abs.example',
    'http://',
    'http://[',
    'a b',
  ]) {
    t.match(errorOf({ AUDIOBOOKSHELF_BASE_URL: url }), /^AUDIOBOOKSHELF_BASE_URL: expected an address like /, url)
    t.notMatch(errorOf({ AUDIOBOOKSHELF_BASE_URL: url }), 'u:p')
  }
  t.end()
})

t.test('warns of plain http to a host that may be far away', (t) => {
  const near = [
    'localhost',
    'abs',
    '127.0.0.1',
    '192.168.1.4',
    '10.0.0.1',
    '[::1]',
    '[fd00::1]',
    'nas.local',
    '100.64.0.1',
  ]
  for (const host of near) t.same(read({ AUDIOBOOKSHELF_BASE_URL: `http://${host}` }).warnings, [], host)
  for (const host of ['abs.example', '93.184.216.34', '[2606:4700::1]']) {
    t.match(read({ AUDIOBOOKSHELF_BASE_URL: `http://${host}` }).warnings, [/plain http/], host)
  }
  t.end()
})

t.test('reads the key, its file, the id of its user and a token', (t) => {
  t.same(read({ AUDIOBOOKSHELF_API_KEY: ' k ' }).defaultKey, { apiKey: 'k' })
  t.same(
    read({ AUDIOBOOKSHELF_API_KEY_FILE: '/key', AUDIOBOOKSHELF_USER_ID: 'i', AUDIOBOOKSHELF_USER_TOKEN: 't' })
      .defaultKey,
    {
      apiKey: 'file-key',
      userId: 'i',
      userToken: 't',
    },
  )
  t.end()
})

t.test('reads the map of users, its synonyms, and a file of it', (t) => {
  const map = {
    ann: 'key-1',
    bob: { apiKey: 'key-2', userId: 'i', deviceName: 'Phone', userToken: 'x' },
    cyd: { token: 'key-3', id: 5, device_name: 'P' },
    dan: false,
    eve: { api_key: 'key-4', user_id: 'u', device: 'D', user_token: 'y' },
  }
  t.same(
    read({ AUDIOBOOKSHELF_USER_MAP: JSON.stringify(map), AUDIOBOOKSHELF_USER_TOKEN: 'tok' }).users,
    new Map<string, unknown>([
      ['ann', { apiKey: 'key-1', userToken: 'tok' }],
      ['bob', { apiKey: 'key-2', userId: 'i', device: 'Phone', userToken: 'x' }],
      ['cyd', { apiKey: 'key-3', userId: '5', device: 'P', userToken: 'tok' }],
      ['dan', false],
      ['eve', { apiKey: 'key-4', userId: 'u', device: 'D', userToken: 'y' }],
    ]),
  )
  t.same(read({ AUDIOBOOKSHELF_USER_MAP: '@/map' }).users, new Map([['ann', { apiKey: 'map-key' }]]))
  t.same(read({ AUDIOBOOKSHELF_USER_MAP: '@/empty' }).users, new Map())
  t.end()
})

t.test('reads the map of documents', (t) => {
  const { documents } = read({
    AUDIOBOOKSHELF_DOCUMENT_MAP: '{"abc": "55e1dc96-7b69-4533-9cb6-b4d23132ad96", "d": false}',
  })
  t.same(
    documents,
    new Map<string, unknown>([
      ['abc', '55e1dc96-7b69-4533-9cb6-b4d23132ad96'],
      ['d', false],
    ]),
  )
  t.notOk(['..', '.', '', 'a/b', 'ä', 'x'.repeat(65)].some(isItemId))
  t.end()
})

t.test('each bad value is told in one line with its variable, and no secret', (t) => {
  const cases: [Values, RegExp][] = [
    [{ AUDIOBOOKSHELF_API_KEY: 'secret key' }, /^AUDIOBOOKSHELF_API_KEY: expected an API key/],
    [
      { AUDIOBOOKSHELF_API_KEY: 'secret', AUDIOBOOKSHELF_API_KEY_FILE: '/key' },
      /^AUDIOBOOKSHELF_API_KEY_FILE: .* set too/,
    ],
    [{ AUDIOBOOKSHELF_API_KEY_FILE: '/none' }, /^AUDIOBOOKSHELF_API_KEY_FILE: cannot read the file \(ENOENT\)\.$/],
    [{ AUDIOBOOKSHELF_API_KEY_FILE: '/empty' }, /^AUDIOBOOKSHELF_API_KEY_FILE: expected/],
    [{ AUDIOBOOKSHELF_USER_TOKEN: 'secret\u0000' }, /^AUDIOBOOKSHELF_USER_TOKEN: /],
    [{ AUDIOBOOKSHELF_USER_MAP: '{"ann": "secret",}' }, /^AUDIOBOOKSHELF_USER_MAP: not JSON at character 18\.$/],
    [{ AUDIOBOOKSHELF_USER_MAP: '"secret"' }, /^AUDIOBOOKSHELF_USER_MAP: expected a JSON object/],
    [{ AUDIOBOOKSHELF_USER_MAP: 'null' }, /^AUDIOBOOKSHELF_USER_MAP: expected/],
    [{ AUDIOBOOKSHELF_USER_MAP: '["secret"]' }, /^AUDIOBOOKSHELF_USER_MAP: expected/],
    [{ AUDIOBOOKSHELF_USER_MAP: '{"secret": true}' }, /USER_MAP: entry 1 has no api_key/],
    [{ AUDIOBOOKSHELF_USER_MAP: '{"ann": {"key": "secret"}}' }, /USER_MAP: entry 1 has no api_key/],
    [
      { AUDIOBOOKSHELF_USER_MAP: '{"ann": {"token": "t", "user_token": "secret secret"}}' },
      /USER_MAP: entry 1 has a user_t/,
    ],
    [{ AUDIOBOOKSHELF_USER_MAP: '{"ann": {"token": "secret", "device": "a\\nb"}}' }, /USER_MAP: entry 1 has a device/],
    [{ AUDIOBOOKSHELF_USER_MAP: '@/none' }, /USER_MAP: cannot read the file/],
    [{ AUDIOBOOKSHELF_DEVICE_NAME: 'x'.repeat(65) }, /^AUDIOBOOKSHELF_DEVICE_NAME: expected 1 to 64/],
    [{ AUDIOBOOKSHELF_DEVICE_NAME: 'a\u0007b' }, /^AUDIOBOOKSHELF_DEVICE_NAME: /],
    [{ AUDIOBOOKSHELF_DOCUMENT_MAP: '{"a": 5}' }, /^AUDIOBOOKSHELF_DOCUMENT_MAP: entry 1 is neither/],
    [{ AUDIOBOOKSHELF_DOCUMENT_MAP: '{"a": "../me"}' }, /^AUDIOBOOKSHELF_DOCUMENT_MAP: entry 1/],
    [{ AUDIOBOOKSHELF_DOCUMENT_MAP: '{a}' }, /^AUDIOBOOKSHELF_DOCUMENT_MAP: not JSON at character 2\.$/],
    ...['99', '60001', '5s', '-5', '1e3'].map((text): [Values, RegExp] => [
      { AUDIOBOOKSHELF_HTTP_TIMEOUT: text },
      /^AUDIOBOOKSHELF_HTTP_TIMEOUT: expected a whole number/,
    ]),
  ]
  for (const [values, message] of cases) {
    t.match(errorOf(values), message)
    t.notMatch(errorOf(values), /secret|\n/)
  }
  t.end()
})

t.test('finds the character at which JSON ends', (t) => {
  const cases: [string, number | undefined][] = [
    ['{"a": [1, {}, [], true, null]}', undefined],
    ['', 1],
    ['{} x', 4],
    ['{} 1', 4],
    ['{"a" 1}', 6],
    ['{"a": }', 7],
    ['{"a": 1', 8],
    ['[1 2]', 4],
    ['[1}', 3],
    ['[,]', 2],
    ['{"a":1,}', 8],
    ["{'a':1}", 2],
    ['{"a": "x\n"}', 7],
    ['{"a": 01}', 8],
    ['  nul', 3],
    ['[1,]', 4],
    ['{]', 2],
    ['{1: 2}', 2],
    ['"a', 1],
    ['{"a": [], b}', 11],
    ['{"a": {}, b}', 11],
    ['[;', 2],
    ['{;', 2],
  ]
  for (const [text, at] of cases) t.equal(jsonErrorAt(text), at, text)
  t.end()
})

t.test('the character is never beyond what was taken away from the end of JSON', (t) => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (json, cut) => {
      const text = json.slice(0, cut % (json.length + 1))
      const at = jsonErrorAt(text)
      return at === undefined || (at >= 1 && at <= text.length + 1)
    }),
  )
  t.end()
})

t.test('the settings of the console are kept in a file for nobody else', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const file = new SettingsFile(dir)
  t.same(file.get(), {})
  await file.put({ AUDIOBOOKSHELF_API_KEY: 'k', AUDIOBOOKSHELF_USER_ID: 'u' })
  await file.put({ AUDIOBOOKSHELF_USER_ID: undefined })
  t.same(file.get(), { AUDIOBOOKSHELF_API_KEY: 'k' })
  const path = join(dir, '.audiobookshelf', 'settings.json')
  if (process.platform !== 'win32') t.equal((await stat(path)).mode & 0o777, 0o600)
  t.equal(await readFile(path, 'utf8'), '{"AUDIOBOOKSHELF_API_KEY":"k","dates":{}}\n')
  await writeFile(path, '{"OTHER": "x", "AUDIOBOOKSHELF_API_KEY": 5}')
  t.same(file.get(), {})
  await writeFile(path, '{"AUDIOBOOKSHELF_API_KEY": secret}')
  t.throws(() => file.get(), /settings.json is not JSON$/)
  await chmod(path, 0o600)
})
