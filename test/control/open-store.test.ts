import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config.ts'
import { openEngine, type OpenedEngine } from '../../src/control/open-store.ts'
import { folder } from '../commands/state-fixture.ts'
import { freePort } from '../free-port.ts'
import { noRedis, startRedis, startSentinel } from '../redis.ts'

const open = async (t: Test, env: Record<string, string>): Promise<OpenedEngine> => {
  const engine = await openEngine(loadConfig({}, undefined, env), { reconnects: false })
  t.teardown(() => engine.close())
  return engine
}

t.test('a file with a password that is not there is one line', async (t) => {
  const message = /^KSS_REDIS_PASSWORD_FILE is "\/none": it cannot be read \(ENOENT/
  await t.rejects(open(t, { KSS_STORE: 'redis://localhost', KSS_REDIS_PASSWORD_FILE: '/none' }), { message })
})

t.test('a list of addresses is a cluster', async (t) => {
  const hosts = `127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`
  const { place, stats } = await open(t, { KSS_STORE: `redis://${hosts}` })
  t.equal(place, `Redis cluster at ${hosts.replace(',', ', ')},`)
  t.match(stats.failure(), { message: /database 0, cannot be reached$/ })
})

t.test('Sentinels that are away are named, and a file with their password is read', async (t) => {
  const hosts = `127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`
  const KSS_STORE = `redis+sentinel://${hosts}/mymaster`
  const { place, stats } = await open(t, { KSS_STORE })
  t.equal(place, `Redis mymaster of the Sentinels at ${hosts.replace(',', ', ')},`)
  t.match(stats.failure(), { message: /^The Sentinel at 127.0.0.1:\d+ cannot be reached$/ })
  const message = /^KSS_REDIS_SENTINEL_PASSWORD_FILE is "\/none": it cannot be read \(ENOENT/
  await t.rejects(open(t, { KSS_STORE, KSS_REDIS_SENTINEL_PASSWORD_FILE: '/none' }), { message })
})

t.test('on a Redis', { skip: noRedis }, async (t) => {
  const { host, command } = await startRedis(t)

  t.test('the database is that of the official server, unless the address says another', async (t) => {
    for (const [address, place] of [
      [`redis://${host}`, `Redis at ${host}, database 1,`],
      [`redis://${host}/`, `Redis at ${host}, database 1,`],
      [`redis://${host}/3`, `Redis at ${host}, database 3,`],
    ] as const) {
      const { place: found, stats } = await open(t, { KSS_STORE: address })
      t.equal(found, place)
      t.equal(stats.failure(), undefined)
    }
  })

  t.test('keys are hashed in a database of its own, or where the setting is given', async (t) => {
    await command(5, 'SET', 'user:ann:key', 'K')
    for (const [database, settings, expected] of [
      [4, {}, true],
      [4, { KSS_HASH_KEYS: 'false' }, false],
      [5, {}, false],
      [5, { KSS_HASH_KEYS: 'true' }, true],
    ] as const) {
      const { survey, hashesKeys } = await open(t, { KSS_STORE: `redis://${host}/${database}`, ...settings })
      await survey.look()
      t.equal(hashesKeys(), expected)
    }
  })

  t.test('the password may be in a file', async (t) => {
    const other = await startRedis(t, '--requirepass', 'se/cr@t é')
    const file = join(await folder(t), 'password')
    await writeFile(file, 'se/cr@t é\nmore\n')
    const { stats, place } = await open(t, { KSS_STORE: other.url, KSS_REDIS_PASSWORD_FILE: file })
    t.equal(stats.failure(), undefined)
    t.equal(place, `Redis at ${other.host}, database 1,`)

    const sentinel = await startSentinel(t, other, 2, 'requirepass more', 'sentinel auth-pass mymaster "se/cr@t é"')
    const more = join(await folder(t), 'password')
    await writeFile(more, 'more\n')
    const files = { KSS_REDIS_PASSWORD_FILE: file, KSS_REDIS_SENTINEL_PASSWORD_FILE: more }
    const found = await open(t, { KSS_STORE: `redis+sentinel://${sentinel.host}/mymaster`, ...files })
    t.equal(found.stats.failure(), undefined)
    t.equal(await found.store.createUser({ username: 'ann', key: 'K' }), true)
    t.equal(await found.store.createUser({ username: 'ann', key: 'K' }), false)
  })
})
