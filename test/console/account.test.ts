import { Readable } from 'node:stream'
import t from 'tap'
import type { OperatorTasks } from '../../src/console/operator-tasks.ts'
import { Reader } from '../helper.ts'
import { adminByName, usernamesOf } from '../store/by-name.ts'
import { openConsole } from './visitor.ts'

const passwords = (one: string, again = one): Record<string, string> => ({
  'new-password': one,
  'new-password-again': again,
})

t.test('a new password ends all sessions and logs out all readers', async (t) => {
  const { app, reader, visit } = openConsole(t)
  const ann = await reader()
  const other = visit()
  await other.signIn('ann')
  t.match(await ann.get('/account'), { statusCode: 200, body: /Every reader must log in again/ })
  const reply = await ann.post('/account/password', passwords('öther'))
  t.match(reply, { statusCode: 303, headers: { location: '/?done=password' } })
  t.notOk(ann.cookies.has('kss_session'))
  t.match((await ann.get('/?done=password')).body, 'Your password is changed')
  for (const visitor of [ann, other]) t.equal(await visitor.isIn(), false)
  t.equal((await new Reader(app).authorize()).statusCode, 401)
  t.equal((await new Reader(app, 'ann', 'öther').authorize()).statusCode, 200)
  t.equal((await ann.signIn('ann', 'öther')).statusCode, 303)
})

for (const [what, typed, message] of [
  ['no password', passwords(''), 'Type a password'],
  ['two passwords', passwords('a', 'b'), 'not the same'],
  ['one password only', { 'new-password': 'a' }, 'not the same'],
  ['a password that is too long', passwords('x'.repeat(1025)), 'at most 1024'],
] as const) {
  t.test(`${what} changes nothing`, async (t) => {
    const { app, reader } = openConsole(t)
    const ann = await reader()
    await ann.get('/account')
    t.match(await ann.post('/account/password', typed), { statusCode: 400, body: new RegExp(message) })
    t.equal(await ann.isIn(), true)
    t.equal((await new Reader(app).authorize()).statusCode, 200)
  })
}

t.test('changes of the password are limited as on the wire', async (t) => {
  const { reader } = openConsole(t)
  const ann = await reader()
  for (let at = 0; at < 5; at += 1) {
    await ann.get('/account')
    t.equal((await ann.post('/account/password', passwords(`${at}`))).statusCode, 303)
    await ann.signIn('ann', `${at}`)
  }
  await ann.get('/account')
  t.match(await ann.post('/account/password', passwords('x')), { statusCode: 429, body: /Too many attempts/ })
})

t.test('who signs out everywhere is signed out in every browser, and on no reader', async (t) => {
  const { app, reader, visit } = openConsole(t)
  const [ann, bob] = [await reader('ann'), await reader('bob')]
  const other = visit()
  await other.signIn('ann')
  await ann.get('/account')
  t.equal((await ann.post('/account/sign-out-everywhere')).headers.location, '/?done=everywhere')
  t.match((await ann.get('/?done=everywhere')).body, 'signed out everywhere')
  for (const visitor of [ann, other]) t.equal(await visitor.isIn(), false)
  t.equal(await bob.isIn(), true)
  t.equal((await new Reader(app).authorize()).statusCode, 200)
})

t.test('an account is deleted when its name is typed', async (t) => {
  const { store, reader } = openConsole(t)
  const ann = await reader()
  await reader('bob')
  for (const username of ['', 'bob', 'Ann']) {
    await ann.get('/account')
    const reply = await ann.post('/account/delete', { username })
    t.match(reply, { statusCode: 400, body: /not the name of this account/ })
  }
  await ann.get('/account')
  t.equal((await ann.post('/account/delete', {})).statusCode, 400)
  t.equal((await ann.post('/account/delete', { username: ' ann ' })).headers.location, '/?done=deleted')
  t.same(await usernamesOf(store), ['bob'])
  t.match((await ann.get('/?done=deleted')).body, 'Your account is deleted')
  t.equal(await ann.isIn(), false)
})

t.test('what cannot be undone asks for the password 15 minutes after it was typed', async (t) => {
  const { store, reader, clock } = openConsole(t)
  const ann = await reader()
  await ann.get('/account')
  clock.now += 15 * 60_000 + 1000
  const asked = await ann.post('/account/delete', { username: 'ann', note: '"><script>' })
  t.match(asked, { statusCode: 403, body: /Nothing was done yet/ })
  t.match(asked.body, 'action="/account/delete"')
  t.match(asked.body, /name="note"\s+value="&quot;&gt;&lt;script&gt;"/)
  const wrong = await ann.post('/account/delete', { username: 'ann', 'password-again': 'wrong' })
  t.match(wrong, { statusCode: 401, body: /That is not your password/ })
  t.match(wrong.body, /name="username"\s+value="ann"/)
  t.same(await usernamesOf(store), ['ann'])
  const other = await ann.post('/account/delete', { username: 'nobody', 'password-again': 'secret' })
  t.match(other, { statusCode: 400, body: /not the name/ }, 'it was right')
  t.equal((await ann.post('/account/delete', { username: 'ann' })).statusCode, 303, 'and is not asked for again')
  t.same(await usernamesOf(store), [])
})

t.test('what can be undone asks for no password', async (t) => {
  const { reader, clock } = openConsole(t)
  const ann = await reader()
  await ann.get('/account')
  clock.now += 15 * 60_000 + 1000
  t.equal((await ann.post('/account/sign-out-everywhere')).statusCode, 303)
})

t.test('all that is known of the account is a file, whose name no header breaks', async (t) => {
  const asked: unknown[] = []
  const tasks = {
    export: async ({ username }: { username: string }, format: string) => {
      asked.push([username, format])
      return Readable.from(['all of it'])
    },
  } as unknown as OperatorTasks
  const { store, reader } = openConsole(t, { settings: { tasks: async () => tasks } })
  const ann = await reader('Zoë "x"')
  for (const [format, type, extension] of [
    ['kss', 'application/gzip', 'tar.gz'],
    ['csv', 'text/csv; charset=utf-8', 'csv'],
  ] as const) {
    t.match(await ann.get(`/account/export/${format}`), {
      statusCode: 200,
      body: 'all of it',
      headers: { 'content-type': type, 'content-disposition': `attachment; filename="kss-Zo_x_.${extension}"` },
    })
  }
  t.same(asked, [
    ['Zoë "x"', 'kss'],
    ['Zoë "x"', 'csv'],
  ])
  t.equal((await ann.get('/account/export/zip')).statusCode, 404)
  await adminByName(store).setDisabled('Zoë "x"', true)
  t.equal((await ann.get('/account/export/csv')).statusCode, 303)
})

t.test('a name that a stranger chose is text', async (t) => {
  const { reader } = openConsole(t)
  const hostile = '<script>"\u202e&'
  const ann = await reader(hostile)
  const { body } = await ann.get('/account')
  t.notMatch(body, hostile)
  t.match(body, '<bdi>&lt;script&gt;&quot;\u202e&amp;</bdi>')
})
