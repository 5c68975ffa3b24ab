import t from 'tap'
import { Reader } from '../helper.ts'
import { usernamesOf } from '../store/by-name.ts'
import { openConsole } from './visitor.ts'

const typed = { username: 'ann', 'new-password': 'secret', 'new-password-again': 'secret' }

t.test('who signs up is signed in, and logs in on a reader', async (t) => {
  const { app, visit } = openConsole(t)
  const ann = visit()
  t.match(await ann.get('/sign-up'), { statusCode: 200, body: /Log in/ })
  t.match(await ann.post('/sign-up', { ...typed, username: ' ann ' }), {
    statusCode: 303,
    headers: { location: '/books' },
  })
  t.equal(await ann.isIn(), true)
  t.equal((await new Reader(app).authorize()).statusCode, 200)
})

t.test('while registration is closed only who is invited signs up', async (t) => {
  const { store, visit } = openConsole(t, { disableRegistration: true })
  t.match(await visit().get('/sign-up'), { statusCode: 403, body: /Ask whoever runs this server/ })
  await store.setInvited('ann', true)
  const visitor = visit()
  await visitor.get('/sign-up')
  t.match(await visitor.post('/sign-up', { ...typed, username: 'bob' }), {
    statusCode: 403,
    body: /cannot sign up now/,
  })
  t.equal((await visitor.post('/sign-up', typed)).statusCode, 303)
  t.same(await usernamesOf(store), ['ann'])
})

for (const [what, more, message] of [
  ['a name that is taken', { username: 'taken' }, /This name is taken/],
  ['a name with a colon', { username: 'a:b' }, /no colon/],
  ['no name', { username: '' }, /1 to 255 characters/],
  ['a name that is too long', { username: 'x'.repeat(256) }, /1 to 255 characters/],
  ['two passwords', { 'new-password-again': 'other' }, /not the same/],
] as const) {
  t.test(`${what} makes no account, and the form keeps the name`, async (t) => {
    const { store, visit } = openConsole(t)
    await store.createUser({ username: 'taken', key: 'x' })
    const visitor = visit()
    await visitor.get('/sign-up')
    const form: Record<string, string> = { ...typed, ...more }
    const reply = await visitor.post('/sign-up', form)
    t.match(reply, { statusCode: 400, body: message })
    t.match(reply.body, `value="${form['username']}"`)
    t.same(await usernamesOf(store), ['taken'])
  })
}

t.test('a form without a name or a password makes no account', async (t) => {
  const { visit } = openConsole(t)
  const visitor = visit()
  await visitor.get('/sign-up')
  const { username: _none, ...rest } = typed
  t.match(await visitor.post('/sign-up', rest), { statusCode: 400, body: /1 to 255 characters/ })
  t.match(await visitor.post('/sign-up'), { statusCode: 400, body: /Type a password/ })
})

t.test('registrations in the console and on the wire share their limit', async (t) => {
  const auth = { hashKeys: true, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 1 }
  const { app, visit } = openConsole(t, { auth })
  t.equal((await new Reader(app, 'bob').register()).statusCode, 201)
  const visitor = visit()
  await visitor.get('/sign-up')
  t.match(await visitor.post('/sign-up', typed), { statusCode: 429, body: /Too many attempts/ })
})

t.test('a disk that cannot store an account is an error that says so', async (t) => {
  const { store, visit } = openConsole(t)
  store.createUser = async () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 })
  }
  const visitor = visit()
  await visitor.get('/sign-up')
  t.match(await visitor.post('/sign-up', typed), { statusCode: 507, body: /The disk of the server is full/ })
})
