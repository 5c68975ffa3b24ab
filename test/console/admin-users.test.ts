import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { Reader } from '../helper.ts'
import { openOperatorConsole } from './operator-console.ts'
import { usernamesOf } from '../store/by-name.ts'

t.test('users are listed with what they keep, and without titles', async (t) => {
  const { root, files } = await openOperatorConsole(t)
  await files.admin.setDisabled((await files.getUser('bob'))!.account, true)
  const { body } = await root.get('/admin/users')
  t.match(body, '3 accounts in all')
  t.match(body, /name=alice"><bdi>alice<\/bdi><\/a><\/th>\s*<td [^>]*>1<\/td>\s*<td [^>]*>1<\/td>\s*<td [^>]*><time/)
  t.match(body, /<bdi>bob<\/bdi>[^]*?never[^]*?<td>disabled<\/td>/)
  t.match(body, /<bdi>root<\/bdi>[^]*?<td>operator<\/td>/)
  t.notMatch(body, 'Dune')
  t.notMatch(body, 'The next ones')
})

t.test('a long list comes in pages', async (t) => {
  const { root, files } = await openOperatorConsole(t)
  for (let at = 0; at < 60; at += 1) await files.createUser({ username: `user${at}`, key: 'K' })
  const first = (await root.get('/admin/users')).body
  const [, next] = /<a href="(\/admin\/users\?after=[^"]+)">The next ones/.exec(first) ?? []
  t.equal(first.match(/<th scope="row"><a/g)?.length, 50)
  const second = (await root.get(next!)).body
  t.equal(second.match(/<th scope="row"><a/g)?.length, 13)
  t.notMatch(second, 'The next ones')
})

t.test('a search finds a part of a name', async (t) => {
  const { root, files } = await openOperatorConsole(t)
  await files.createUser({ username: '<b>"Åsa"', key: 'K' })
  const found = (await root.get(`/admin/users?q=${encodeURIComponent(' "ÅSA ')}`)).body
  t.match(found, '1 account found.')
  t.match(found, '<bdi>&lt;b&gt;&quot;Åsa&quot;</bdi>')
  t.match(found, 'value="&quot;ÅSA"')
  t.match((await root.get('/admin/users?q=nobody')).body, '0 accounts found.')
  for (let at = 0; at < 60; at += 1) await files.createUser({ username: `user${at}`, key: 'K' })
  t.match((await root.get('/admin/users?q=user')).body, '60 accounts found. The first 50 are shown.')
})

t.test('an account that cannot be read is told, in the list and in a search', async (t) => {
  const { root, dir } = await openOperatorConsole(t)
  await writeFile(join(dir, 'bob', 'auth.json'), '{')
  await writeFile(join(dir, 'alice', 'other.json'), '{')
  const { body } = await root.get('/admin/users')
  t.match(body, /role="alert">[^<]*bob/)
  t.match(body, 'damaged: run the check')
  t.equal((await root.get('/admin/users?q=bo')).statusCode, 200)
})

t.test('a search leaves out who is gone meanwhile, and tells of what cannot be read', async (t) => {
  const { root, files } = await openOperatorConsole(t)
  const listUsers = files.admin.listUsers.bind(files.admin)
  files.admin.listUsers = async (...args) => {
    const page = await listUsers(...args)
    const bob = await files.getUser('bob')
    if (bob) await files.deleteUser(bob.account)
    return page
  }
  const found = (await root.get('/admin/users?q=b')).body
  t.notMatch(found, '<bdi>bob</bdi>')
  t.notMatch(found, 'role="alert"')
  t.match((await root.get('/admin/users?q=e')).body, '<bdi>alice</bdi>')
  files.admin.getSummary = () => Promise.reject(new Error('alice cannot be read'))
  t.match((await root.get('/admin/users?q=ali')).body, 'role="alert">alice cannot be read')
})

t.test('an operator adds a user with a password of their own', async (t) => {
  const { app, root, activity, log } = await openOperatorConsole(t)
  await root.get('/admin/users/add')
  const reply = await root.post('/admin/users/add', { username: ' carol ', password: 'wonderland' })
  t.match(reply, { statusCode: 303, headers: { location: '/admin/user?name=carol&done=added' } })
  t.match((await root.get('/admin/user?name=carol&done=added')).body, 'The account is there.')
  t.equal((await new Reader(app, 'carol', 'wonderland').authorize()).statusCode, 200)
  t.match(activity.list(), [{ kind: 'change', who: 'root', what: 'user add carol' }])
  t.ok(log.includes('console: root: user add carol'))
  t.notMatch(JSON.stringify([log, activity.list()]), /wonderland/)
})

t.test('kss makes a password up, and shows it once', async (t) => {
  const { app, root, log } = await openOperatorConsole(t)
  await root.get('/admin/users/add')
  const { body, statusCode, headers } = await root.post('/admin/users/add', { username: 'carol', password: '' })
  t.equal(statusCode, 200)
  t.match(headers, { 'cache-control': 'no-store' })
  const [, password = ''] = /<dt>Password<\/dt>\s*<dd><code>([a-z2-9]{12})<\/code>/.exec(body) ?? []
  t.equal((await new Reader(app, 'carol', password).authorize()).statusCode, 200)
  t.notMatch(JSON.stringify(log), password)
})

const refused: [string, Record<string, string>, RegExp][] = [
  ['no name', { username: ' ' }, /A name has 1 to 255 characters/],
  ['a colon', { username: 'a:b' }, /A name has 1 to 255 characters/],
  ['a name that is taken', { username: 'bob' }, /This name is taken/],
  ['a password that is too long', { username: 'carol', password: 'x'.repeat(1025) }, /at most 1024/],
]

for (const [what, fields, message] of refused) {
  t.test(`a new user with ${what} is refused`, async (t) => {
    const { root, files, log } = await openOperatorConsole(t)
    await root.get('/admin/users/add')
    t.match(await root.post('/admin/users/add', fields), { statusCode: 400, body: message })
    t.equal((await usernamesOf(files)).length, 3)
    t.notOk(log.some((line) => line.startsWith('console:')))
    t.match(await files.getUser('bob'), { key: keyOfPassword('secret') })
  })
}

t.test('fields that are left out are empty', async (t) => {
  const { root } = await openOperatorConsole(t)
  await root.get('/admin/users/add')
  t.match(await root.post('/admin/users/add'), { statusCode: 400 })
})
