import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { ConfigError, loadConfig, type Values } from '../src/config.ts'
import { endOf } from '../src/upstream-settings.ts'

const load = (env: Values, flags: Values = {}, file?: string): ReturnType<typeof loadConfig> =>
  loadConfig(flags, file, env)

t.test('nothing set gives the defaults', async (t) => {
  const { config, warnings } = load({ HOME: '/root' })
  t.same(config, {
    KSS_HOST: '0.0.0.0',
    KSS_PORT: 8080,
    KSS_DIR: config.KSS_DIR,
    KSS_STORE: '',
    KSS_REDIS_PASSWORD_FILE: '',
    KSS_REDIS_SENTINEL_PASSWORD_FILE: '',
    KSS_REDIS_REPLICAS: 0,
    KSS_BASE_PATH: '',
    KSS_DISABLE_REGISTRATION: false,
    KSS_CONSOLE: true,
    KSS_HISTORY: true,
    KSS_HISTORY_LIMIT: 1000,
    KSS_QUOTA_DOCUMENTS: 10_000,
    KSS_QUOTA_BYTES: 104_857_600,
    KSS_WAL_MAX: 268_435_456,
    KSS_HASH_KEYS: true,
    KSS_SCRYPT_COST: 14,
    KSS_LOGIN_FAILURES_PER_MINUTE: 60,
    KSS_REGISTRATIONS_PER_HOUR: 20,
    KSS_CONNECTIONS_PER_ADDRESS: 200,
    KSS_DRAIN_SECONDS: 0,
    KSS_METRICS_PORT: 0,
    KSS_METRICS_HOST: '127.0.0.1',
    KSS_TLS: '',
    KSS_TLS_CERT: '',
    KSS_TLS_KEY: '',
    KSS_TLS_PORT: 0,
    KSS_TRUSTED_PROXIES: [],
    KSS_CORS_ORIGINS: ['*'],
    KSS_CONSOLE_HOSTS: [],
    KSS_UPSTREAM: '',
    KSS_UPSTREAM_UNTIL: '',
    KSS_UPSTREAM_USERS: [],
    KSS_LOG_LEVEL: 'info',
    KSS_LOG_FORMAT: 'auto',
    runtimeDir: undefined,
    audiobookshelf: {},
  })
  t.same(warnings, [])
})

t.test('the environment of the process is read where none is given', async (t) => {
  t.ok(loadConfig().config.KSS_DIR)
})

t.test('flags beat the environment, which beats the env file, which beats the defaults', async (t) => {
  const dir = t.testdir({ env: '# mine\nKSS_PORT=1\nKSS_HOST="::"\nexport KSS_LOG_LEVEL=warn\nOTHER=1\n' })
  const file = join(dir, 'env')
  const { config } = load({ KSS_PORT: '2', KSS_HOST: '127.0.0.1' }, { KSS_PORT: '3' }, file)
  t.match(config, { KSS_PORT: 3, KSS_HOST: '127.0.0.1', KSS_LOG_LEVEL: 'warn', KSS_LOG_FORMAT: 'auto' })
  t.match(load({}, {}, file).config, { KSS_PORT: 1, KSS_HOST: '::' })
})

t.test('an env file that can not be read is an error', async (t) => {
  t.throws(() => load({}, {}, '/none'), { message: /^Cannot read the env file \/none: ENOENT/ })
})

for (const [word, expected] of [
  ['true', true],
  ['TRUE', true],
  ['1', true],
  ['Yes', true],
  ['false', false],
  ['0', false],
  ['nO', false],
] as const) {
  t.test(`${word} is ${expected}`, async (t) => {
    t.equal(load({ KSS_DISABLE_REGISTRATION: word }).config.KSS_DISABLE_REGISTRATION, expected)
  })
}

t.test('an empty variable counts as unset', async (t) => {
  t.match(load({ KSS_PORT: '', KSS_HISTORY: '' }).config, { KSS_PORT: 8080, KSS_HISTORY: true })
})

for (const [name, value, expected] of [
  ['KSS_PORT', 'http', 'a whole number from 0 to 65535'],
  ['KSS_PORT', '80.5', 'a whole number from 0 to 65535'],
  ['KSS_PORT', '65536', 'a whole number from 0 to 65535'],
  ['KSS_PORT', '-1', 'a whole number from 0 to 65535'],
  ['KSS_HISTORY', 'maybe', 'true or false'],
  ['KSS_BASE_PATH', '/../x', 'a path like /kosync'],
  ['KSS_BASE_PATH', '/a b', 'a path like /kosync'],
  ['KSS_LOG_LEVEL', 'loud', 'trace, debug, info, warn, error, fatal or silent'],
  ['KSS_LOG_FORMAT', 'xml', 'auto, pretty or json'],
  ['KSS_TRUSTED_PROXIES', 'proxy', 'IP addresses or ranges, separated by commas, as 10.0.0.0/8,::1'],
  ['KSS_TRUSTED_PROXIES', '10.0.0.0/33', 'IP addresses or ranges, separated by commas, as 10.0.0.0/8,::1'],
  ['KSS_TRUSTED_PROXIES', '10.0.0.0/0', 'IP addresses or ranges, separated by commas, as 10.0.0.0/8,::1'],
  ['KSS_TRUSTED_PROXIES', '10.0.0.1,', 'IP addresses or ranges, separated by commas, as 10.0.0.0/8,::1'],
] as const) {
  t.test(`${name}=${value} is one line that says what was expected`, async (t) => {
    t.throws(() => load({ [name]: value }), new ConfigError(`${name} is "${value}": expected ${expected}.`))
  })
}

const pemFiles = {
  KSS_TLS_CERT: 'a PEM file with a certificate and its chain, beside KSS_TLS_KEY',
  KSS_TLS_KEY: 'a PEM file with the private key of KSS_TLS_CERT',
}
const made = 'self-signed, where KSS_TLS_CERT is not set'
const otherPort = 'a port other than KSS_PORT, where https is on, or 0'

for (const [env, line] of [
  [{ KSS_TLS: 'yes' }, `KSS_TLS is "yes": expected ${made}.`],
  [{ KSS_TLS_CERT: 'a.pem' }, `KSS_TLS_KEY is "": expected ${pemFiles.KSS_TLS_KEY}.`],
  [{ KSS_TLS_KEY: 'a.pem' }, `KSS_TLS_CERT is "": expected ${pemFiles.KSS_TLS_CERT}.`],
  [
    { KSS_TLS_CERT: 'a.pem', KSS_TLS_KEY: 'a.pem', KSS_TLS: 'self-signed' },
    `KSS_TLS is "self-signed": expected ${made}.`,
  ],
  [{ KSS_TLS_PORT: '8443' }, `KSS_TLS_PORT is "8443": expected ${otherPort}.`],
  [{ KSS_TLS: 'self-signed', KSS_TLS_PORT: '8080' }, `KSS_TLS_PORT is "8080": expected ${otherPort}.`],
  [{ KSS_TLS: 'self-signed', KSS_TLS_PORT: '65536' }, `KSS_TLS_PORT is "65536": expected ${otherPort}.`],
] as const) {
  t.test(`${JSON.stringify(env)} is one line that says what was expected`, async (t) => {
    t.throws(() => load(env), new ConfigError(line))
  })
}

t.test('metrics have a port of their own, or an address of their own', async (t) => {
  const message = 'KSS_METRICS_PORT is 8080, as is KSS_PORT: metrics need a port of their own.'
  for (const KSS_HOST of ['0.0.0.0', '::', '127.0.0.1'])
    t.throws(() => load({ KSS_HOST, KSS_METRICS_PORT: '8080' }), new ConfigError(message))
  t.equal(load({ KSS_HOST: '10.0.0.1', KSS_METRICS_PORT: '8080' }).config.KSS_METRICS_PORT, 8080)
  t.equal(load({ KSS_PORT: '0' }).config.KSS_METRICS_PORT, 0)
  t.throws(
    () => load({ KSS_TLS: 'self-signed', KSS_TLS_PORT: '8443', KSS_METRICS_PORT: '8443' }),
    new ConfigError('KSS_METRICS_PORT is 8443, as is KSS_TLS_PORT: metrics need a port of their own.'),
  )
})

t.test('the files of a certificate are found from the folder where kss is started', async (t) => {
  const { config } = load({ KSS_TLS_CERT: 'a.pem', KSS_TLS_KEY: '/b.pem', KSS_TLS_PORT: '8443' })
  t.match(config, { KSS_TLS_CERT: resolve('a.pem'), KSS_TLS_KEY: '/b.pem', KSS_TLS_PORT: 8443 })
})

const origins = '*, none, or origins, separated by commas, as https://web.readest.com'

for (const value of [
  'web.readest.com',
  'https://',
  'https://web.readest.com/kosync',
  'https://web.readest.com?a=b',
  'https://ann@web.readest.com',
  'https://*.readest.com',
  'https://web.readest.com:x',
  'https://a.example,',
  'https://a.example,*',
  '*,none',
  'null',
]) {
  t.test(`KSS_CORS_ORIGINS=${value} is one line that says what was expected`, async (t) => {
    const message = `KSS_CORS_ORIGINS is "${value}": expected ${origins}.`
    t.throws(() => load({ KSS_CORS_ORIGINS: value }), new ConfigError(message))
  })
}

for (const [value, expected] of [
  ['*', ['*']],
  ['none', ['none']],
  ['https://web.readest.com', ['https://web.readest.com']],
  ['HTTPS://Web.Readest.com:443/, tauri://localhost', ['https://web.readest.com', 'tauri://localhost']],
  ['http://localhost:3000,http://[::1]:8080', ['http://localhost:3000', 'http://[::1]:8080']],
] as const) {
  t.test(`the origins ${value} are ${expected.join(' and ')}, as a browser writes them`, async (t) => {
    t.same(load({ KSS_CORS_ORIGINS: value }).config.KSS_CORS_ORIGINS, expected)
  })
}

const anAddress = 'an address like https://old.example or https://old.example/kosync'
const aDate = 'a date like 2030-12-31, or a time like 2030-12-31T18:00Z'

for (const [name, value, expected] of [
  ['KSS_UPSTREAM', 'old.example', anAddress],
  ['KSS_UPSTREAM', 'https://', anAddress],
  ['KSS_UPSTREAM', 'ftp://old.example', anAddress],
  ['KSS_UPSTREAM', 'https://ann:secret@old.example', anAddress],
  ['KSS_UPSTREAM', 'https://old.example/?a=b', anAddress],
  ['KSS_UPSTREAM', 'https://old.example/#a', anAddress],
  ['KSS_UPSTREAM', 'https://old.example/a b', anAddress],
  ['KSS_UPSTREAM_UNTIL', 'tomorrow', aDate],
  ['KSS_UPSTREAM_UNTIL', '2030', aDate],
  ['KSS_UPSTREAM_UNTIL', '2030-02-30', aDate],
  ['KSS_UPSTREAM_UNTIL', '2030-02-30T18:00Z', aDate],
  ['KSS_UPSTREAM_UNTIL', '2030-13-01', aDate],
  ['KSS_UPSTREAM_UNTIL', '2030-12-31T25:00Z', aDate],
  ['KSS_UPSTREAM_UNTIL', '2030-12-31T18:00', aDate],
  ['KSS_UPSTREAM_USERS', 'ann,,bob', 'user names, separated by commas, as ann,bob'],
  ['KSS_UPSTREAM_USERS', 'ann,', 'user names, separated by commas, as ann,bob'],
] as const) {
  t.test(`${name}=${value} is one line that says what was expected`, async (t) => {
    t.throws(() => load({ [name]: value }), new ConfigError(`${name} is "${value}": expected ${expected}.`))
  })
}

for (const [value, expected] of [
  ['https://old.example', 'https://old.example'],
  ['https://old.example/', 'https://old.example'],
  ['HTTPS://Old.Example:443/Kosync/', 'https://old.example/Kosync'],
  ['http://10.0.0.1:7200/a/b', 'http://10.0.0.1:7200/a/b'],
  ['http://[::1]:8080', 'http://[::1]:8080'],
] as const) {
  t.test(`the upstream ${value} is ${expected}`, async (t) => {
    t.equal(load({ KSS_UPSTREAM: value }).config.KSS_UPSTREAM, expected)
  })
}

t.test('the users of the upstream are names', async (t) => {
  t.same(load({ KSS_UPSTREAM_USERS: 'ann, Жанна 李 ,bob' }).config.KSS_UPSTREAM_USERS, ['ann', 'Жанна 李', 'bob'])
})

for (const [value, expected] of [
  ['2030-12-31', Date.UTC(2031, 0, 1)],
  ['2030-12-31T18:00Z', Date.UTC(2030, 11, 31, 18)],
  ['2030-12-31T00:30:05+02:00', Date.UTC(2030, 11, 30, 22, 30, 5)],
] as const) {
  t.test(`the upstream is asked until ${value}`, async (t) => {
    const { KSS_UPSTREAM_UNTIL } = load({ KSS_UPSTREAM_UNTIL: value }).config
    t.equal(endOf(KSS_UPSTREAM_UNTIL), expected)
  })
}

for (const [value, expected] of [
  ['/kosync', '/kosync'],
  ['kosync', '/kosync'],
  ['/kosync/', '/kosync'],
  ['/a/b.c', '/a/b.c'],
  ['/', ''],
] as const) {
  t.test(`the base path ${value} is ${expected}`, async (t) => {
    t.equal(load({ KSS_BASE_PATH: value }).config.KSS_BASE_PATH, expected)
  })
}

t.test('proxies are addresses and ranges', async (t) => {
  const { config } = load({ KSS_TRUSTED_PROXIES: '10.0.0.0/8, ::1,fd00::/8' })
  t.same(config.KSS_TRUSTED_PROXIES, ['10.0.0.0/8', '::1', 'fd00::/8'])
})

t.test('an unknown variable is named, with the nearest real one', async (t) => {
  const { warnings } = load({ KSS_PROT: '1', KSS_DATA_DIR: 'x', KSSX: '1' })
  t.same(warnings, [
    'KSS_PROT is not a setting of kss: ignored. Did you mean KSS_PORT?',
    'KSS_DATA_DIR is not a setting of kss: ignored. Did you mean KSS_DIR?',
  ])
})

t.test('what Kubernetes sets for a service called kss is ignored', async (t) => {
  const { config, warnings } = load({
    KSS_PORT: 'tcp://10.3.2.1:80',
    KSS_PORT_80_TCP: 'tcp://10.3.2.1:80',
    KSS_SERVICE_HOST: '10.3.2.1',
  })
  t.equal(config.KSS_PORT, 8080)
  t.same(warnings, [
    'KSS_PORT is "tcp://10.3.2.1:80", as Kubernetes sets it for a service called kss: ignored. ' +
      'Use --port, or rename the service.',
  ])
})

for (const [platform, env, expected] of [
  ['linux', {}, join(homedir(), '.local', 'share', 'kss')],
  ['linux', { XDG_DATA_HOME: '/data' }, '/data/kss'],
  ['darwin', {}, join(homedir(), 'Library', 'Application Support', 'kss')],
  ['win32', { LOCALAPPDATA: '/appdata' }, '/appdata/kss'],
  ['linux', { KSS_DIR: 'relative' }, resolve('relative')],
] as const) {
  t.test(`the folder on ${platform} with ${JSON.stringify(env)} is ${expected}`, async (t) => {
    t.equal(loadConfig({}, undefined, env, platform).config.KSS_DIR, expected)
  })
}

for (const [platform, env, expected] of [
  ['linux', { XDG_RUNTIME_DIR: '/run/user/1000' }, '/run/user/1000'],
  ['linux', { RUNTIME_DIRECTORY: '/run/kss', XDG_RUNTIME_DIR: '/run/user/1000' }, '/run/kss'],
  ['linux', { RUNTIME_DIRECTORY: '/run/kss:/run/other' }, '/run/kss'],
  ['linux', { RUNTIME_DIRECTORY: '', XDG_RUNTIME_DIR: '' }, undefined],
  ['linux', { XDG_RUNTIME_DIR: 'relative' }, undefined],
  ['darwin', { XDG_RUNTIME_DIR: '/run/user/1000' }, undefined],
] as const) {
  t.test(`the runtime folder on ${platform} with ${JSON.stringify(env)} is ${expected}`, async (t) => {
    t.equal(loadConfig({}, undefined, env, platform).config.runtimeDir, expected)
  })
}

const hostNames = 'host names, separated by commas, as sync.example.org,nas.example.org'

for (const value of ['https://sync.example.org', 'sync.example.org:8080', 'a,,b', '*.example.org', 'a b', '.org']) {
  t.test(`KSS_CONSOLE_HOSTS=${value} is one line that says what was expected`, async (t) => {
    const message = `KSS_CONSOLE_HOSTS is "${value}": expected ${hostNames}.`
    t.throws(() => load({ KSS_CONSOLE_HOSTS: value }), new ConfigError(message))
  })
}

t.test('host names of the console are a list, in lower case', async (t) => {
  const { config } = load({ KSS_CONSOLE_HOSTS: 'Sync.Example.org, nas_1.lan' })
  t.same(config.KSS_CONSOLE_HOSTS, ['sync.example.org', 'nas_1.lan'])
})

t.test(
  'the variables of the Audiobookshelf bridge are handed on, those of the environment before those of the file',
  (t) => {
    const file = join(t.testdir({ env: 'AUDIOBOOKSHELF_BASE_URL=http://a\nAUDIOBOOKSHELF_USER_ID=u\n' }), 'env')
    const { config, sources } = loadConfig(
      {},
      file,
      { AUDIOBOOKSHELF_BASE_URL: 'http://b', AUDIOBOOKSHELF_API_KEY: '' },
      'linux',
    )
    t.same(config.audiobookshelf, { AUDIOBOOKSHELF_BASE_URL: 'http://b', AUDIOBOOKSHELF_USER_ID: 'u' })
    t.notMatch(JSON.stringify(sources), 'AUDIOBOOKSHELF')
    t.end()
  },
)

t.test('a folder that a flag names is refused beside a store; one of the environment is not used', (t) => {
  const message = '--dir names a folder, and KSS_STORE is set: accounts are in only one of them. Leave one out.'
  const env = { KSS_STORE: 'redis://localhost' }
  t.throws(() => loadConfig({ KSS_DIR: '/srv/kss' }, undefined, env), { message })
  t.throws(() => loadConfig({ ...env, KSS_DIR: '/srv/kss' }, undefined, {}), { message })
  t.equal(loadConfig({}, undefined, { ...env, KSS_DIR: '/srv/kss' }).config.KSS_DIR, '/srv/kss')
  t.end()
})
