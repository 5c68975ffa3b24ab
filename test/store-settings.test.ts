import t from 'tap'
import { loadConfig } from '../src/config.ts'
import { parseStore, withoutPassword } from '../src/store-settings.ts'

const load = (env: Record<string, string>) => loadConfig({}, undefined, env).config

for (const address of [
  'redis://localhost',
  'redis://localhost:6379/',
  'redis://:secret@10.0.0.1:6379/3',
  'rediss://kss:secret@redis.example:6380/0',
  'redis+sentinel://:secret@a:26379,[::1]/mymaster/3',
]) {
  t.test(`${address} is a store`, async (t) => {
    t.equal(load({ KSS_STORE: address }).KSS_STORE, address)
  })
}

for (const address of [
  'localhost:6379',
  'http://localhost',
  'redis://',
  'redis://localhost/one',
  'nonsense',
  'redis://a:7000,,b:7001',
  'redis://a:7000,b:7001/1',
  'redis://a:7000,b:x',
  'redis+sentinel://a',
  'redis+sentinel://a/',
  'redis+sentinel://a/my master',
  'redis+sentinel://a/mymaster/one',
  'redis://a/mymaster/1',
]) {
  t.test(`${address} is none`, async (t) => {
    t.throws(() => load({ KSS_STORE: address }), { message: /^KSS_STORE is / })
  })
}

t.test('a list of addresses is a cluster', async (t) => {
  const address = 'rediss://kss:secret@a:7000,[::1]:7001,c'
  t.equal(load({ KSS_STORE: address }).KSS_STORE, address)
  const { url, cluster } = parseStore(address)!
  t.equal(url.href, 'rediss://kss:secret@a:7000/0')
  t.same(cluster, ['a:7000', '[::1]:7001', 'c:6379'])
  t.match(parseStore('redis://a,b/0'), { url: { pathname: '/0' } })
  t.match(parseStore('redis://a'), { url: { pathname: '/1' }, cluster: [] })
})

t.test('Sentinels tell where the master is', async (t) => {
  const { url, ...others } = parseStore('rediss+sentinel://kss:secret@a:7000,b,[::1]/my-master.1/0')!
  t.equal(url.pathname, '/0')
  t.equal(url.protocol, 'rediss:')
  t.same(others, { cluster: [], sentinels: { addresses: ['a:7000', 'b:26379', '[::1]:26379'], name: 'my-master.1' } })
  const one = { url: { pathname: '/1' }, cluster: [], sentinels: { addresses: ['a:26379'], name: '6379' } }
  t.match(parseStore('redis+sentinel://a/6379'), one)
  t.match(parseStore('redis+sentinel://a/6379/'), one)
})

t.test('a file with the password of Sentinels needs those', async (t) => {
  const file = { KSS_REDIS_SENTINEL_PASSWORD_FILE: '/run/secret' }
  t.equal(load({ KSS_STORE: 'redis+sentinel://a/b', ...file }).KSS_REDIS_SENTINEL_PASSWORD_FILE, '/run/secret')
  for (const address of ['', 'redis://a', 'redis://a,b']) {
    t.throws(() => load({ KSS_STORE: address, ...file }), { message: /^KSS_REDIS_SENTINEL_PASSWORD_FILE is / })
  }
})

t.test('a file with a password needs a store', async (t) => {
  t.throws(() => load({ KSS_REDIS_PASSWORD_FILE: '/run/secret' }), { message: /^KSS_REDIS_PASSWORD_FILE is / })
})

t.test('a number of replicas needs a store', async (t) => {
  t.equal(load({ KSS_STORE: 'redis://localhost', KSS_REDIS_REPLICAS: '2' }).KSS_REDIS_REPLICAS, 2)
  const message = 'KSS_REDIS_REPLICAS is "2": expected a whole number from 0 to 100, with KSS_STORE.'
  t.throws(() => load({ KSS_REDIS_REPLICAS: '2' }), { message })
})

t.test('the message about a bad address has one of each form, and no password', async (t) => {
  const forms = ['redis://localhost:6379/1', 'redis://a:7000,b:7000', 'redis+sentinel://a:26379/mymaster']
  for (const form of forms) t.equal(load({ KSS_STORE: form }).KSS_STORE, form)
  const [server, cluster, sentinel] = forms
  const expected =
    `expected the address of a Redis like ${server}, of nodes of a cluster like ${cluster}, ` +
    `of Sentinels like ${sentinel}, or nothing for files.`
  for (const [address, shown] of [
    ['redis://:sec/ret@localhost/x', 'redis://***@localhost/x'],
    ['ann:secret@localhost', 'ann:***@localhost'],
    ['secret@localhost', '***@localhost'],
  ] as const) {
    t.throws(() => load({ KSS_STORE: address }), { message: `KSS_STORE is "${shown}": ${expected}` })
    t.equal(withoutPassword(address), shown)
  }
  t.equal(withoutPassword('redis+sentinel://:secret@a,b/mymaster'), 'redis+sentinel://***@a,b/mymaster')
  t.equal(withoutPassword('redis://localhost'), 'redis://localhost')
})
