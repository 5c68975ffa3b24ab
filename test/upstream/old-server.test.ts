import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { matchesHash } from '../../src/accounts/key-hash.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { Account } from '../../src/store/store.ts'
import { Reader, position } from '../helper.ts'
import { moveFrom, oldTime, openOld } from './moving.ts'
import { stub, stubJson } from './stub.ts'
import { adminByName, accountOf, byName, usernamesOf } from '../store/by-name.ts'

t.test('a log-in by a user of the old server makes the account here, which needs the old server no more', async (t) => {
  const old = await openOld(t)
  const { store, log, reader } = moveFrom(t, old.origin, {}, { disableRegistration: true })
  t.equal((await reader().authorize()).statusCode, 200)
  t.same(old.asked, ['GET /users/auth'])
  const user = await store.getUser('ann')
  t.ok(await matchesHash(reader().key, user?.key ?? ''))
  t.equal(user?.adopted, true)
  t.same(log, [{ level: 30, user: 'ann', msg: 'an account came from the upstream' }])
  await old.close()
  t.equal((await reader().authorize()).statusCode, 200)
  t.equal((await reader('ann', 'wrong').authorize()).statusCode, 401)
})

t.test('a push by a user of the old server makes the account, and is stored here only', async (t) => {
  const old = await openOld(t, { basePath: '/kosync' })
  const { store, reader } = moveFrom(t, old.origin)
  t.equal((await reader().update(position)).statusCode, 200)
  t.match(await byName(store).getProgress('ann', 'abc'), position)
  t.same(old.asked, ['GET /kosync/users/auth'])
  t.equal(await byName(old.store).getProgress('ann', 'abc'), undefined)
})

t.test('a pull by a user of the old server makes the account, and keeps what the old server has', async (t) => {
  const old = await openOld(t)
  await old.reader.update({ ...position, device_id: 'ID', metadata: { title: 'Dune' } })
  const { store, log, reader } = moveFrom(t, old.origin)
  const expected = { ...position, device_id: 'ID', timestamp: oldTime }
  const reply = await reader().get('abc')
  t.equal(reply.statusCode, 200)
  t.equal(reply.headers['content-type'], 'application/json')
  t.same(reply.json(), expected)
  t.same(await byName(store).getProgress('ann', 'abc'), expected)
  t.same(await byName(store).listHistory('ann', 'abc'), [expected])
  t.same(old.asked, ['GET /users/auth', 'GET /syncs/progress/abc'])
  t.same(log.at(-1), { level: 30, user: 'ann', document: 'abc', msg: 'a position came from the upstream' })
  await old.close()
  t.same((await reader().get('abc')).json(), expected)
})

t.test('a document that the old server has nothing of is asked for once', async (t) => {
  const old = await openOld(t)
  const { reader } = moveFrom(t, old.origin)
  for (let round = 0; round < 2; round += 1) t.same((await reader().get('abc')).json(), {})
  t.same(old.asked, ['GET /users/auth', 'GET /syncs/progress/abc'])
})

t.test('names are passed on as they are, and Basic credentials as KOReader would', async (t) => {
  const old = await openOld(t)
  await new Reader(old.reader.app, 'Жанна 李 é').register()
  const { store, reader } = moveFrom(t, old.origin)
  t.equal((await reader('Жанна 李 é').authorize()).statusCode, 200)
  t.ok(await store.getUser('Жанна 李 é'))
  const authorization = `Basic ${Buffer.from('ann:secret').toString('base64')}`
  const reply = await reader().app.inject({ url: '/users/auth', headers: { authorization } })
  t.equal(reply.statusCode, 200)
  t.equal((await reader().authorize()).statusCode, 200)
})

t.test('nothing but the credentials is passed on', async (t) => {
  const { origin, seen } = await stubJson(t, { authorized: 'OK' })
  const { reader } = moveFrom(t, origin)
  const headers = { ...reader().headers, cookie: 'a=b', 'x-forwarded-for': '10.0.0.1', 'user-agent': 'KOReader' }
  await reader().app.inject({ url: '/users/auth?a=b', headers })
  const [request] = seen
  t.equal(`${request?.method} ${request?.url}`, 'GET /users/auth')
  t.same(request?.headers, {
    'x-auth-user': 'ann',
    'x-auth-key': reader().key,
    accept: 'application/vnd.koreader.v1+json',
    host: origin.slice('http://'.length),
    connection: 'keep-alive',
  })
})

t.test('what the old server refuses is a 401, which is remembered for a minute', async (t) => {
  const old = await openOld(t)
  const { store, reader } = moveFrom(t, old.origin)
  for (let round = 0; round < 2; round += 1) {
    t.equal((await reader('ann', 'wrong').authorize()).statusCode, 401)
    t.equal((await reader('bob').update(position)).statusCode, 401)
  }
  t.same(await usernamesOf(store), [])
  t.equal(old.asked.length, 2)
  // The cache asks the clock once a millisecond, by a timer of its own, which must have run.
  await sleep(2)
  const now = performance.now()
  t.intercept(performance, 'now', { value: () => now + 61_000 })
  t.equal((await reader('bob').authorize()).statusCode, 401)
  t.equal(old.asked.length, 3)
})

t.test('what the old server refuses counts as a failed log-in, and then it is not asked', async (t) => {
  const old = await openOld(t)
  const auth = { hashKeys: true, scryptCost: 14, loginFailuresPerMinute: 6, registrationsPerHour: 0 }
  const { reader } = moveFrom(t, old.origin, {}, { auth })
  t.equal((await reader('bob', '1').authorize()).statusCode, 401)
  t.equal((await reader('bob', '2').authorize()).statusCode, 401, 'the one that a limited address may try')
  t.equal((await reader('bob', '3').authorize()).statusCode, 429)
  t.equal(old.asked.length, 2)
})

t.test('only the users that are named are asked about', async (t) => {
  const old = await openOld(t)
  await new Reader(old.reader.app, 'bob').register()
  const { reader } = moveFrom(t, old.origin, { usernames: ['bob', 'eve'] })
  t.equal((await reader('ann').authorize()).statusCode, 401)
  t.same(old.asked, [])
  t.equal((await reader('bob').authorize()).statusCode, 200)
})

t.test('after its end the old server is not asked', async (t) => {
  const old = await openOld(t)
  await old.reader.update(position)
  let now = 999
  const { reader } = moveFrom(t, old.origin, { until: 1000, now: () => now })
  t.equal((await reader().authorize()).statusCode, 200)
  now = 1000
  t.same((await reader().get('abc')).json(), {})
  t.equal((await reader('bob').authorize()).statusCode, 401)
  t.same(old.asked, ['GET /users/auth'])
})

for (const [what, username] of [
  ['a tab', 'a\tb'],
  ['a colon', 'a:b'],
  ['256 characters', 'a'.repeat(256)],
] as const) {
  t.test(`a name with ${what} is not asked about: it could not be registered`, async (t) => {
    const { origin, seen } = await stubJson(t, { authorized: 'OK' })
    const { store, reader } = moveFrom(t, origin)
    t.equal((await reader(username).authorize()).statusCode, 401)
    t.same(seen, [])
    t.same(await usernamesOf(store), [])
  })
}

t.test('log-ins of one user at the same time make one account, and all get in', async (t) => {
  const old = await openOld(t)
  const { store, reader } = moveFrom(t, old.origin)
  const addresses = ['10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.3']
  const replies = await Promise.all(
    addresses.map((remoteAddress) =>
      reader().app.inject({ url: '/users/auth', headers: reader().headers, remoteAddress }),
    ),
  )
  t.same(
    replies.map(({ statusCode }) => statusCode),
    [200, 200, 200, 200],
  )
  t.same(await usernamesOf(store), ['ann'])
  t.same(old.asked, ['GET /users/auth'])
})

t.test('a name that is registered meanwhile belongs to who registered it', async (t) => {
  const { reader } = moveFrom(t, (await stubRegistering()).origin)
  const stranger = reader('ann', 'other')
  async function stubRegistering(): ReturnType<typeof stub> {
    return await stub(t, async (response) => {
      await stranger.register()
      response.end('{"authorized":"OK"}')
    })
  }
  t.equal((await reader().authorize()).statusCode, 401)
  t.equal((await stranger.authorize()).statusCode, 200)
})

t.test('an account that is gone as soon as it is made is a 401', async (t) => {
  class Gone extends MemoryStore {
    override async createUser(): Promise<boolean> {
      return true
    }
  }
  const old = await openOld(t)
  const { reader } = moveFrom(t, old.origin, { store: new Gone() })
  t.equal((await reader().authorize()).statusCode, 401)
})

t.test('a user who is locked here is not asked about', async (t) => {
  const old = await openOld(t)
  const store = new MemoryStore()
  const { reader } = moveFrom(t, old.origin, { store })
  await reader().authorize()
  await adminByName(store).setDisabled('ann', true)
  t.equal((await reader().authorize()).statusCode, 401)
  t.same(old.asked, ['GET /users/auth'])
})

t.test('a user who deletes the account is not asked about for that, and does not come back', async (t) => {
  const old = await openOld(t)
  const { reader } = moveFrom(t, old.origin)
  const remove = { method: 'DELETE', url: '/users/me', headers: reader().headers } as const
  t.equal((await reader().app.inject(remove)).statusCode, 404)
  t.same(old.asked, [])
  await reader().authorize()
  t.equal((await reader().app.inject(remove)).statusCode, 200)
  t.equal((await reader().authorize()).statusCode, 401)
})

t.test('the key of somebody who signed up here is not sent to the old server, unless they are named', async (t) => {
  const old = await openOld(t)
  await old.reader.update(position)
  const store = new MemoryStore()
  const { reader } = moveFrom(t, old.origin, { store })
  await reader().register()
  t.same((await reader().get('abc')).json(), {})
  t.same(old.asked, [])
  const named = moveFrom(t, old.origin, { store, usernames: ['ann'] })
  t.match((await named.reader().get('abc')).json(), position)
})

t.test('a key that was changed here is not sent to the old server', async (t) => {
  const old = await openOld(t)
  const { reader } = moveFrom(t, old.origin)
  const changed = reader('ann', 'another')
  const body = { password: changed.key }
  await reader().app.inject({ method: 'PUT', url: '/users/password', headers: reader().headers, body })
  t.same((await changed.get('abc')).json(), {})
  t.same(old.asked, ['GET /users/auth'])
})

t.test('a key that the old server refuses is not sent with another document', async (t) => {
  const old = await openOld(t)
  const { reader } = moveFrom(t, old.origin, { usernames: ['ann'] })
  const changed = reader('ann', 'another')
  await changed.register()
  for (const document of ['abc', 'def']) t.same((await changed.get(document)).json(), {})
  t.same(old.asked, ['GET /syncs/progress/abc'])
})

for (const document of ['..', '.', '../users/auth', 'a/b', 'a%2fb', 'a?b', 'é', 'a b', 'a'.repeat(256)]) {
  t.test(`the document ${JSON.stringify(document.slice(0, 20))} is not asked for`, async (t) => {
    const old = await openOld(t)
    const store = new MemoryStore()
    const { upstream, reader } = moveFrom(t, old.origin, { store })
    await reader().authorize()
    const account = await accountOf(store, 'ann')
    t.equal(await upstream.fetchProgress(account, reader().key, document, 0), undefined)
    t.same(old.asked, ['GET /users/auth'])
  })
}

t.test('a push that comes while the old server is asked wins', async (t) => {
  const store = new MemoryStore()
  const { origin } = await stub(t, async (response, { url }) => {
    if (url !== '/users/auth') await reader().update({ ...position, progress: 'pushed' })
    response.end(JSON.stringify(url === '/users/auth' ? { authorized: 'OK' } : { ...position, timestamp: oldTime }))
  })
  const { reader } = moveFrom(t, origin, { store })
  t.match((await reader().get('abc')).json(), { progress: 'pushed' })
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'pushed' })
  t.equal((await byName(store).listHistory('ann', 'abc')).length, 1)
})

t.test('what the old server has is not for who gets the name meanwhile', async (t) => {
  const store = new MemoryStore()
  const { origin } = await stub(t, async (response, { url }) => {
    if (url !== '/users/auth') {
      await byName(store).deleteUser('ann')
      await store.createUser({ username: 'ann', key: 'of somebody else' })
    }
    response.end(JSON.stringify(url === '/users/auth' ? { authorized: 'OK' } : { ...position, timestamp: oldTime }))
  })
  const { reader } = moveFrom(t, origin, { store })
  t.equal((await reader().get('abc')).statusCode, 401)
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
})

t.test('who is deleted before the old server is asked gets nothing', async (t) => {
  class Deleting extends MemoryStore {
    override getProgress(account: Account): Promise<undefined> {
      return this.deleteUser(account).then(() => undefined)
    }
  }
  const old = await openOld(t)
  const { reader } = moveFrom(t, old.origin, { store: new Deleting() })
  t.same((await reader().get('abc')).json(), {})
  t.same(old.asked, ['GET /users/auth'])
})

t.test('pulls of one document at the same time ask once', async (t) => {
  const old = await openOld(t)
  await old.reader.update(position)
  const { reader } = moveFrom(t, old.origin)
  await reader().authorize()
  const replies = await Promise.all([reader().get('abc'), reader().get('abc')])
  for (const reply of replies) t.match(reply.json(), position)
  t.same(old.asked, ['GET /users/auth', 'GET /syncs/progress/abc'])
})

t.test('what can not be stored is a 507, and is asked for again', async (t) => {
  let full = true
  class Full extends MemoryStore {
    override async addProgress(
      ...args: Parameters<MemoryStore['addProgress']>
    ): ReturnType<MemoryStore['addProgress']> {
      if (full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 })
      return await super.addProgress(...args)
    }
  }
  const old = await openOld(t)
  await old.reader.update(position)
  const { reader } = moveFrom(t, old.origin, { store: new Full() })
  t.equal((await reader().get('abc')).statusCode, 507)
  full = false
  t.match((await reader().get('abc')).json(), position)
})
