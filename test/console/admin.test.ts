import t from 'tap'
import { adminRoutes } from '../../src/console/admin-routes.ts'
import { openOperatorConsole } from './operator-console.ts'

t.test('a reader and a stranger get no page of the operator, and no form of it does anything', async (t) => {
  const { visit, files, tasks } = await openOperatorConsole(t)
  const bob = visit()
  await bob.signIn('bob')
  const stranger = visit()
  await stranger.get('/')
  const { account } = (await files.getUser('alice'))!
  const fields = { username: 'alice', id: account.id, typed: 'alice', to: 'eve', name: 'x.tar.gz', sure: 'yes' }
  for (const { method, url } of adminRoutes) {
    const asReader = method === 'GET' ? await bob.get(url) : await bob.post(url, fields)
    t.match(asReader, { statusCode: 403, body: 'Only for the operator' }, `${method} ${url}`)
    const asNobody = method === 'GET' ? await stranger.get(url) : await stranger.post(url, fields)
    t.equal(asNobody.statusCode, method === 'GET' ? 303 : 401, `${method} ${url} as nobody`)
  }
  t.equal(
    adminRoutes.every(({ who }) => who === 'operator'),
    true,
  )
  t.match(await files.getUser('alice'), { account })
  t.match([tasks.check.state(), tasks.backup.state()], [{ is: 'idle' }, { is: 'idle' }])
})

t.test('a form without its token does nothing', async (t) => {
  const { root, tasks } = await openOperatorConsole(t)
  t.equal((await root.post('/admin/check', { token: 'x' })).statusCode, 403)
  t.match(tasks.check.state(), { is: 'idle' })
})

t.test('the overview says how the server is', async (t) => {
  const { root, activity, files, minutes } = await openOperatorConsole(t)
  const { body, statusCode } = await root.get('/admin')
  t.equal(statusCode, 200)
  for (const text of [/<dd>\d+\.\d+\.\d+/, /3 accounts/, /open: anybody/, /free of/, /there is none yet/]) {
    t.match(body, text)
  }
  t.match(body, '<a href="/admin" aria-current="page">Overview</a>')
  t.notMatch(body, 'You are the operator.')
  t.match((await root.get('/admin?done=setup')).body, /You are the operator\. Next: <a href="\/help">connect/)
  t.match(body, /<a href="\/admin" +aria-current="page">Operator<\/a>/)
  t.notMatch(body, '<details>', 'no table of nothing')
  for (let at = 0; at < 3; at += 1) {
    const line = { id: '1', method: 'GET', path: '/', status: at === 2 ? 404 : 200, ms: 1, user: '', ip: '::1' }
    activity.addRequest(line, false)
  }
  minutes.passed += 2
  await files.admin.setRegistration({ open: false })
  const later = await root.get('/admin')
  t.match(later.body, /3 requests, at most 3 in a minute/)
  t.match(later.body, /1 request refused or failed/)
  t.match(later.body, /2 minutes ago<\/td>\s*<td [^>]*>3<\/td>\s*<td [^>]*>1<\/td>/)
  t.match(later.body, />closed</)
  activity.addRequest({ id: '1', method: 'GET', path: '/', status: 200, ms: 1, user: '', ip: '::1' }, false)
  t.match((await root.get('/admin')).body, /this minute<\/td>/)
})

t.test('the newest backup is on the overview', async (t) => {
  const { root, tasks } = await openOperatorConsole(t)
  tasks.backup.start()
  while (tasks.backup.state().is === 'running') await new Promise((resolve) => setImmediate(resolve))
  const { body } = await root.get('/admin')
  t.notMatch(body, 'there is none yet')
})

t.test('settings are listed with where they come from', async (t) => {
  const { root, dir } = await openOperatorConsole(t)
  const { body } = await root.get('/admin/settings')
  t.match(body, `<code>${dir}</code>`)
  t.match(body, '<td data-label="From">flag</td>')
  t.match(body, '<td data-label="From">default</td>')
  t.match(body, '<code>–</code>', 'an empty one')
})

t.test('activity is listed, as text, and without titles', async (t) => {
  const { root, activity } = await openOperatorConsole(t)
  t.match((await root.get('/admin/activity')).body, 'Nothing yet')
  activity.addCommand("kss doc name alice dune 'A Diary'")
  activity.add('failure', '<script>', 'GET /"onload= 404')
  activity.add('failure', '<script>', 'GET /"onload= 404')
  const { body } = await root.get('/admin/activity')
  t.notMatch(body, 'Diary')
  t.match(body, '<bdi>&lt;script&gt;</bdi>')
  t.match(body, 'GET /&quot;onload= 404</bdi> (2 times)')
})
