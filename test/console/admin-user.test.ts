import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import { Reader } from '../helper.ts'
import { openOperatorConsole, type OperatorConsole } from './operator-console.ts'

type Fields = Record<string, string>

interface Opened extends OperatorConsole {
  /** Sends a form of the account's page. */
  act: (username: string, what: string, fields?: Fields) => Promise<LightMyRequestResponse>
}

async function open(t: Test): Promise<Opened> {
  const opened = await openOperatorConsole(t)
  const { root, files } = opened
  const act: Opened['act'] = async (username, what, fields = {}) => {
    await root.get(`/admin/user?name=${encodeURIComponent(username)}`)
    const { account } = (await files.getUser(username))!
    return await root.post(`/admin/user/${what}`, { username, id: account.id, ...fields })
  }
  return { ...opened, act }
}

const location = (username: string, done: string): object => ({
  statusCode: 303,
  headers: { location: `/admin/user?name=${username}&done=${done}` },
})

t.test('the page of a user shows what it keeps, and no title', async (t) => {
  const { root } = await open(t)
  const { body } = await root.get('/admin/user?name=alice')
  t.match(body, '<bdi>alice</bdi>')
  t.match(body, '1 book on 1 reader')
  t.match(body, '>enabled<')
  t.notMatch(body, 'Dune')
  t.match((await root.get('/admin/user?name=bob')).body, 'never')
  t.match((await root.get('/admin/user?name=root')).body, 'enabled, operator')
})

t.test('there is a page for any name', async (t) => {
  const { root, files } = await open(t)
  for (const username of ['..', '.', 'a/b', '<script>', 'a&done=removed', '\u202Eevil', 'x'.repeat(255)]) {
    await files.createUser({ username, key: 'K' })
    const { body } = await root.get(`/admin/user?name=${encodeURIComponent(username)}`)
    t.match(body, `<bdi>${username.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}</bdi>`)
  }
})

t.test('a name that nobody has is a 404', async (t) => {
  const { root } = await open(t)
  t.match(await root.get('/admin/user?name=nobody'), { statusCode: 404, body: 'There is no such user' })
  t.match(await root.get('/admin/user'), { statusCode: 404 })
  await root.get('/admin/users/add')
  t.match(await root.post('/admin/user/disable', { username: 'nobody', id: 'x' }), { statusCode: 404 })
  t.match(await root.post('/admin/user/disable'), { statusCode: 404 })
})

t.test('a user is disabled, and enabled again', async (t) => {
  const { app, root, act, log } = await open(t)
  t.match(await act('bob', 'disable'), location('bob', 'disabled'))
  t.match((await root.get('/admin/user?name=bob&done=disabled')).body, 'Nothing was removed')
  t.equal((await new Reader(app, 'bob').authorize()).statusCode, 401)
  t.match(await act('bob', 'enable'), location('bob', 'enabled'))
  t.equal((await new Reader(app, 'bob').authorize()).statusCode, 200)
  t.match(
    log.filter((line) => line.startsWith('console:')),
    ['console: root: user disable bob', 'console: root: user enable bob'],
  )
})

t.test('a user is renamed', async (t) => {
  const { app, act, activity } = await open(t)
  t.match(await act('bob', 'rename', { to: ' bobby ' }), location('bobby', 'renamed'))
  t.equal((await new Reader(app, 'bobby').authorize()).statusCode, 200)
  t.match(activity.list()[0], { kind: 'change', who: 'root', what: 'user rename bob bobby' })
})

t.test('a user gets a password', async (t) => {
  const { app, act, log } = await open(t)
  t.match(await act('bob', 'password', { password: 'wonderland' }), location('bob', 'password'))
  t.equal((await new Reader(app, 'bob', 'wonderland').authorize()).statusCode, 200)
  const { body } = await act('bob', 'password', { password: '' })
  const [, password = ''] = /<dt>Password<\/dt>\s*<dd><code>([a-z2-9]{12})<\/code>/.exec(body) ?? []
  t.equal((await new Reader(app, 'bob', password).authorize()).statusCode, 200)
  t.notMatch(JSON.stringify(log), new RegExp(`wonderland|${password}`))
})

t.test('a user becomes an operator, and a reader again', async (t) => {
  const { act, files } = await open(t)
  t.match(await act('bob', 'operator', { on: 'yes' }), location('bob', 'operator'))
  t.match(await files.getUser('bob'), { admin: true })
  t.match(await act('bob', 'operator'), location('bob', 'reader'))
  t.equal((await files.getUser('bob'))?.admin, undefined)
})

t.test('a user gets limits, and loses them', async (t) => {
  const { root, act, files, activity } = await open(t)
  t.match(await act('bob', 'quota', { documents: ' 500 ', megabytes: '1.5' }), location('bob', 'quota'))
  t.match(await files.getUser('bob'), { quota: { documents: 500, bytes: 1_572_864 } })
  t.match(activity.list()[0], { what: 'user quota bob --documents 500 --bytes 1572864' })
  const { body } = await root.get('/admin/user?name=bob&done=quota')
  t.match(body, 'value="500"')
  t.match(body, 'value="1.5"')
  t.match(await act('bob', 'quota', { documents: '0', megabytes: '' }), location('bob', 'quota'))
  t.same((await files.getUser('bob'))?.quota, { documents: 0 })
  t.match(await act('bob', 'quota'), location('bob', 'quota'))
  t.match(activity.list()[0], { what: 'user quota bob --default' })
  t.notOk((await files.getUser('bob'))?.quota)
})

t.test('a user is removed by typing the name', async (t) => {
  const { root, act, files, activity } = await open(t)
  t.match(await act('alice', 'remove', { typed: 'Alice' }), { statusCode: 400, body: 'Nothing was removed' })
  t.match(await act('alice', 'remove'), { statusCode: 400 })
  t.ok(await files.getUser('alice'))
  t.match(await act('alice', 'remove', { typed: ' alice ' }), {
    statusCode: 303,
    headers: { location: '/admin/users' },
  })
  t.equal(await files.getUser('alice'), undefined)
  t.match(activity.list()[0], { kind: 'change', who: 'root', what: 'user rm alice' })
  t.notMatch((await root.get('/admin/users')).body, 'alice')
})

const refused: [string, Fields, RegExp][] = [
  ['rename', { to: 'a:b' }, /A name has/],
  ['rename', {}, /A name has/],
  ['rename', { to: 'bob' }, /That is its name already/],
  ['rename', { to: 'alice' }, /This name is taken/],
  ['password', { password: 'x'.repeat(1025) }, /at most 1024/],
  ['quota', { documents: '-1' }, /A limit is a number/],
  ['quota', { documents: '1e3' }, /A limit is a number/],
  ['quota', { documents: '1234567890' }, /A limit is a number/],
  ['quota', { megabytes: 'much' }, /A limit is a number/],
  ['quota', { megabytes: '0x10' }, /A limit is a number/],
]

for (const [what, fields, message] of refused) {
  t.test(`${what} with ${JSON.stringify(fields).slice(0, 40)} is refused, and changes nothing`, async (t) => {
    const { act, files, log } = await open(t)
    const before = await files.getUser('bob')
    t.match(await act('bob', what, fields), { statusCode: 400, body: message })
    t.same(await files.getUser('bob'), before)
    t.notOk(log.some((line) => line.startsWith('console:')))
  })
}

t.test('an account that got the name meanwhile is left alone', async (t) => {
  const { root, files, act } = await open(t)
  const { account } = (await files.getUser('bob'))!
  await files.deleteUser(account)
  await files.createUser({ username: 'bob', key: 'K' })
  for (const what of ['disable', 'enable', 'operator', 'rename', 'password', 'quota', 'remove']) {
    const reply = await act('bob', what, { id: account.id, typed: 'bob', to: 'x' })
    t.match(reply, { statusCode: 409, body: 'The account was changed meanwhile' }, what)
  }
  t.match(await files.getUser('bob'), { key: 'K' })
  t.ok(root)
})

t.test('an account that changes while it is worked on is left alone', async (t) => {
  const { files, act } = await open(t)
  const setQuota = files.admin.setQuota.bind(files.admin)
  files.admin.setQuota = async (account, quota) => {
    await files.deleteUser(account)
    await setQuota(account, quota)
  }
  t.match(await act('bob', 'quota', { documents: '5' }), { statusCode: 409, body: 'Nothing was done' })
  files.admin.setQuota = () => Promise.reject(Object.assign(new Error('no room'), { code: 'ENOSPC' }))
  t.match(await act('alice', 'quota', { documents: '5' }), { statusCode: 507 })
})

for (const [what, fields] of [
  ['disable', {}],
  ['operator', {}],
  ['remove', { typed: 'root' }],
] as const) {
  t.test(`the last operator is warned before ${what}`, async (t) => {
    const { act, files } = await open(t)
    const reply = await act('root', what, fields)
    t.match(reply, {
      statusCode: 409,
      body: /your own account[^]*is the last operator[^]*only a command on the machine/,
    })
    t.match(await files.getUser('root'), { admin: true })
    t.equal((await files.getUser('root'))?.disabled, undefined)
    t.match(await act('root', what, { ...fields, sure: 'yes' }), { statusCode: 303 })
    const after = await files.getUser('root')
    t.ok(!after || after.disabled || !after.admin)
  })

  t.test(`an operator is warned before ${what} of their own account`, async (t) => {
    const { act, files } = await open(t)
    await files.admin.setAdmin((await files.getUser('bob'))!.account, true)
    const { body, statusCode } = await act('root', what, fields)
    t.equal(statusCode, 409)
    t.match(body, /Another operator can bring that back/)
    t.notMatch(body, 'last operator')
  })
}

t.test('another operator goes without a warning, as long as one is left', async (t) => {
  const { dir, act, files } = await open(t)
  await files.admin.setAdmin((await files.getUser('bob'))!.account, true)
  t.match(await act('bob', 'disable'), location('bob', 'disabled'))
  t.match(await act('root', 'disable'), { statusCode: 409, body: 'is the last operator' }, 'a disabled one is none')
  await writeFile(join(dir, 'bob', 'auth.json'), '{')
  t.match(await act('root', 'disable'), { statusCode: 409, body: 'is the last operator' }, 'nor a damaged one')
})

t.test('what cannot be undone asks for the password when it was typed a while ago', async (t) => {
  const { act, root, clock, files } = await open(t)
  clock.now += 16 * 60_000
  const asked = await act('alice', 'remove', { typed: 'alice' })
  t.match(asked, { statusCode: 403, body: 'Type your password again' })
  t.ok(await files.getUser('alice'))
  const { id } = (await files.getUser('alice'))!.account
  const fields = { username: 'alice', id, typed: 'alice', 'password-again': 'secret' }
  t.match(await root.post('/admin/user/remove', fields), { statusCode: 303 })
  t.equal(await files.getUser('alice'), undefined)
})
