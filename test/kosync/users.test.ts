import t from 'tap'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { Account } from '../../src/store/store.ts'
import { build, buildReader, position, Reader } from '../helper.ts'
import { adminByName } from '../store/by-name.ts'

const vendor = 'application/vnd.koreader.v1+json'

t.test('a reader registers, and can log in', async (t) => {
  const reader = new Reader(build(t), 'Łucja 李')
  const registered = await reader.register()
  t.equal(registered.statusCode, 201)
  t.same(registered.json(), { username: 'Łucja 李' })
  const authorized = await reader.authorize()
  t.equal(authorized.statusCode, 200)
  t.same(authorized.json(), { authorized: 'OK' })
})

t.test('a name that is taken answers 402, and its owner stays', async (t) => {
  const reader = await buildReader(t)
  const taken = await new Reader(reader.app, 'ann', 'other').register()
  t.equal(taken.statusCode, 402)
  t.same(taken.json(), { code: 2002, message: 'Username is already registered.' })
  t.equal((await reader.authorize()).statusCode, 200)
})

t.test('of twelve registrations of one name at once exactly one wins', async (t) => {
  // Without hashes: a busy machine would refuse some for lack of time.
  const auth = { hashKeys: false, scryptCost: 14, loginFailuresPerMinute: 0, registrationsPerHour: 0 }
  const app = build(t, { auth })
  const replies = await Promise.all(Array.from({ length: 12 }, (_, at) => new Reader(app, 'ann', `${at}`).register()))
  t.equal(replies.filter(({ statusCode }) => statusCode === 201).length, 1)
  t.equal(replies.filter(({ statusCode }) => statusCode === 402).length, 11)
})

t.test('blanks around a name are taken off, as HTTP takes them off the header', async (t) => {
  const reader = new Reader(build(t), ' ann ')
  t.same((await reader.register()).json(), { username: 'ann' })
  t.equal((await new Reader(reader.app).authorize()).statusCode, 200)
})

for (const [what, body, code] of [
  ['no username', { password: 'K' }, 2003],
  ['no password', { username: 'ann' }, 2003],
  ['an empty username', { username: '', password: 'K' }, 2003],
  ['a blank username', { username: '  ', password: 'K' }, 2003],
  ['an empty password', { username: 'ann', password: '' }, 2003],
  ['a colon in the username', { username: 'a:b', password: 'K' }, 2003],
  ['a line break in the username', { username: 'a\nb', password: 'K' }, 2003],
  ['a NUL in the username', { username: 'a\0b', password: 'K' }, 2003],
  ['half a surrogate pair', { username: 'a\ud800', password: 'K' }, 2003],
  ['300 characters', { username: 'a'.repeat(300), password: 'K' }, 2003],
  ['a number for a username', { username: 1, password: 'K' }, 2003],
  ['an array for a password', { username: 'ann', password: ['K'] }, 2003],
  ['a key no header can carry', { username: 'ann', password: ' K' }, 2003],
] as const) {
  t.test(`registering with ${what} answers 403`, async (t) => {
    const reply = await build(t).inject({ method: 'POST', url: '/users/create', body })
    t.equal(reply.statusCode, 403)
    t.same(reply.json(), { code, message: 'Invalid request' })
  })
}

t.test('disabled registration answers 402 where the screen shows it, else 403', async (t) => {
  const app = build(t, { disableRegistration: true })
  const body = { username: 'ann', password: 'K' }
  const message = 'User registration is disabled.'
  const v1 = await app.inject({ method: 'POST', url: '/users/create', body, headers: { accept: vendor } })
  t.equal(v1.statusCode, 402)
  t.same(v1.json(), {
    code: 2005,
    message: `${message} If you have an account, tap Login. If not, ask whoever runs this server to invite you.`,
  })
  const other = await app.inject({ method: 'POST', url: '/users/create', body: '{' })
  t.equal(other.statusCode, 403, 'before the body is read')
  t.same(other.json(), { code: 2005, message })
})

t.test('who is invited can register once while registration is disabled, and nobody else', async (t) => {
  const store = new MemoryStore()
  await store.setRegistration({ invited: ['ann'] })
  const app = build(t, { store, disableRegistration: true })
  t.equal((await new Reader(app, 'bob').register()).statusCode, 402)
  t.equal((await new Reader(app, 'ann').register()).statusCode, 201)
  t.equal((await new Reader(app, 'ann').register()).statusCode, 402)
})

t.test('an operator opens and closes registration while the server runs', async (t) => {
  const store = new MemoryStore()
  let now = 1_000_000
  const app = build(t, { store, disableRegistration: true, now: () => now })
  const register = async (username: string): Promise<number> => (await new Reader(app, username).register()).statusCode
  t.equal(await register('ann'), 402)
  await store.setRegistration({ open: true, until: 1060, invited: [] })
  t.equal(await register('ann'), 201)
  now = 1_060_000
  t.equal(await register('bob'), 402)
  await store.setRegistration({ open: true, invited: [] })
  t.equal(await register('bob'), 201)
  await store.setRegistration({ open: false, invited: [] })
  t.equal(await register('carl'), 402)
})

t.test('a locked account gets the 401 of a wrong key, also on DELETE /users/me', async (t) => {
  const store = new MemoryStore()
  const reader = await buildReader(t, { store })
  t.equal((await reader.authorize()).statusCode, 200)
  await adminByName(store).setDisabled('ann', true)
  const reply = await reader.authorize()
  t.equal(reply.statusCode, 401)
  t.equal(reply.body, '{"code":2001,"message":"Unauthorized"}')
  const { statusCode } = await reader.app.inject({ method: 'DELETE', url: '/users/me', headers: reader.headers })
  t.equal(statusCode, 401)
  await adminByName(store).setDisabled('ann', false)
  t.equal((await reader.authorize()).statusCode, 200)
})

t.test('no credentials, an unknown user and a wrong key get one answer', async (t) => {
  const reader = await buildReader(t)
  const replies = [
    await reader.app.inject('/users/auth'),
    await new Reader(reader.app, 'bob').authorize(),
    await new Reader(reader.app, 'ann', 'wrong').authorize(),
  ]
  for (const reply of replies) {
    t.equal(reply.statusCode, 401)
    t.equal(reply.body, '{"code":2001,"message":"Unauthorized"}')
  }
})

t.test('Basic credentials work on every route', async (t) => {
  const { app } = await buildReader(t)
  const headers = { authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}` }
  t.equal((await app.inject({ url: '/users/auth', headers })).statusCode, 200)
  t.equal((await app.inject({ method: 'PUT', url: '/syncs/progress', headers, body: position })).statusCode, 200)
  t.match((await app.inject({ url: '/syncs/progress/abc', headers })).json(), position)
})

t.test('a new password replaces the old one, and progress is kept', async (t) => {
  const reader = await buildReader(t)
  await reader.update(position)
  const body = { password: keyOfPassword('new') }
  const reply = await reader.app.inject({ method: 'PUT', url: '/users/password', body, headers: reader.headers })
  t.equal(reply.statusCode, 200)
  t.same(reply.json(), { updated: true })
  t.equal((await reader.authorize()).statusCode, 401)
  t.match((await new Reader(reader.app, 'ann', 'new').get('abc')).json(), position)
})

t.test('an empty new password is refused, and the old one stays', async (t) => {
  const reader = await buildReader(t)
  const body = { password: '' }
  const reply = await reader.app.inject({ method: 'PUT', url: '/users/password', body, headers: reader.headers })
  t.equal(reply.statusCode, 403)
  t.match(reply.json(), { code: 2003 })
  t.equal((await reader.authorize()).statusCode, 200)
})

t.test('a deleted account is gone, and so are its positions when the name comes back', async (t) => {
  const reader = await buildReader(t)
  await reader.update(position)
  const request = { method: 'DELETE', url: '/users/me', headers: reader.headers } as const
  const deleted = await reader.app.inject(request)
  t.equal(deleted.statusCode, 200)
  t.same(deleted.json(), { deleted: true })
  t.equal((await reader.authorize()).statusCode, 401)
  const again = await reader.app.inject(request)
  t.equal(again.statusCode, 404, 'a client that lost the first answer learns that it is done')
  t.same(again.json(), { code: 2006, message: 'Account not found.' })
  await reader.register()
  t.same((await reader.get('abc')).json(), {})
})

t.test('a wrong key deletes nothing', async (t) => {
  const reader = await buildReader(t)
  const { headers } = new Reader(reader.app, 'ann', 'wrong')
  t.equal((await reader.app.inject({ method: 'DELETE', url: '/users/me', headers })).statusCode, 401)
  t.equal((await reader.app.inject({ method: 'DELETE', url: '/users/me' })).statusCode, 401)
  t.equal((await reader.authorize()).statusCode, 200)
})

t.test('an account that goes while its deletion is under way is not found', async (t) => {
  class Racing extends MemoryStore {
    override async deleteUser(account: Account): Promise<void> {
      await super.deleteUser(account)
      await super.deleteUser(account)
    }
  }
  const reader = await buildReader(t, { store: new Racing() })
  const reply = await reader.app.inject({ method: 'DELETE', url: '/users/me', headers: reader.headers })
  t.equal(reply.statusCode, 404)
})

for (const [code, status] of [
  ['EIO', 503],
  ['DAMAGED_FILE', 402],
] as const) {
  t.test(`a name whose account ends in ${code} when it is looked up answers ${status}`, async (t) => {
    class Unreadable extends MemoryStore {
      override getUser(): never {
        throw Object.assign(new Error(code), { code, ...(code === 'EIO' && { errno: -5 }) })
      }
    }
    t.equal((await new Reader(build(t, { store: new Unreadable() })).register()).statusCode, status)
  })
}
