import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import t from 'tap'
import type { LongTask } from '../../src/console/operator-tasks.ts'
import { dune } from '../commands/state-fixture.ts'
import { byName } from '../store/by-name.ts'
import { pushed } from '../store/contract.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { until } from '../until.ts'
import { openOperatorConsole } from './operator-console.ts'

const ended = (task: LongTask<unknown>): Promise<void> => until(() => task.state().is !== 'running')

t.test('a backup is made, listed and downloaded', async (t) => {
  const { root, tasks, activity } = await openOperatorConsole(t)
  t.match((await root.get('/admin/backups')).body, 'There is no backup yet.')
  t.match(await root.post('/admin/backups'), { statusCode: 303, headers: { location: '/admin/backups' } })
  await ended(tasks.backup)
  const { body, headers } = await root.get('/admin/backups')
  t.notOk(headers['refresh'])
  t.match(body, 'holds 3 accounts and 1 book.')
  const [, name = ''] = /name="name" value="([^"]+)"/.exec(body) ?? []
  const reply = await root.post('/admin/backups/download', { name })
  t.match(reply, {
    statusCode: 200,
    headers: {
      'content-type': 'application/gzip',
      'content-disposition': `attachment; filename="${name}"`,
      'content-length': String(reply.rawPayload.length),
    },
  })
  const files = await unpackTar(gunzipSync(reply.rawPayload))
  t.ok(files.some((file) => file.header.name === `alice/${dune}.json`))
  t.match(activity.list(), [{ what: `backup download ${name}` }, { what: 'backup create' }])
})

t.test('a backup that lacks what cannot be written to its file says so', async (t) => {
  const { root, tasks, dir, files } = await openOperatorConsole(t)
  await rm(join(dir, 'alice', 'history'), { recursive: true })
  await writeFile(join(dir, 'alice', 'history'), 'in the way')
  await byName(files).putProgress('alice', pushed)
  await root.post('/admin/backups')
  await ended(tasks.backup)
  t.match(
    (await root.get('/admin/backups')).body,
    /holds 3 accounts and 1 book\. It lacks the newest positions of some books/,
  )
  await rm(join(dir, 'alice', 'history'))
})

t.test('a backup that is under way is shown, and looked at again, and is the only one', async (t) => {
  const { root, tasks, dir } = await openOperatorConsole(t)
  const disk = faultyDisk(t)
  const release = disk.hold('open', /\.backups.*tmp/)
  await root.get('/admin/backups')
  await root.post('/admin/backups')
  await until(() => disk.count('open', /\.backups.*tmp/) > 0)
  const { body, headers } = await root.get('/admin/backups')
  t.equal(headers['refresh'], '3')
  t.match(body, /The backup is under way since <time/)
  t.notMatch(body, 'Make a backup')
  t.match(await root.post('/admin/backups'), { statusCode: 409, body: 'A backup is under way already.' })
  release()
  await ended(tasks.backup)
  t.equal((await readdir(join(dir, '.backups'))).length, 1)
})

t.test('a full disk is said in words, and leaves nothing behind', async (t) => {
  const { root, tasks, dir } = await openOperatorConsole(t)
  const disk = faultyDisk(t)
  disk.fail('sync', /\.backups/, 'ENOSPC')
  await root.get('/admin/backups')
  await root.post('/admin/backups')
  await ended(tasks.backup)
  t.match((await root.get('/admin/backups')).body, /role="alert">The backup of .* failed\. The disk is full/)
  t.same(await readdir(join(dir, '.backups')), [])
})

t.test('nothing but a listed backup is downloaded', async (t) => {
  const { root, dir } = await openOperatorConsole(t)
  await mkdir(join(dir, '.backups'), { mode: 0o700 })
  await symlink(join(dir, 'alice', 'auth.json'), join(dir, '.backups', 'link.tar.gz'))
  await root.get('/admin/backups')
  for (const name of ['', 'none.tar.gz', '../alice/auth.json', '/etc/passwd', '..', 'a\0.tar.gz']) {
    const reply = await root.post('/admin/backups/download', { name })
    t.match(reply, { statusCode: 404, body: 'There is no such backup' }, JSON.stringify(name))
  }
  t.match(await root.post('/admin/backups/download'), { statusCode: 404 })
  const reply = await root.post('/admin/backups/download', { name: 'link.tar.gz' })
  t.ok(reply.statusCode >= 500)
  t.notMatch(reply.body, 'x-auth')
})

t.test('a check says that all is well', async (t) => {
  const { root, tasks, activity } = await openOperatorConsole(t)
  t.match((await root.get('/admin/check')).body, 'Check now')
  t.match(await root.post('/admin/check'), { statusCode: 303, headers: { location: '/admin/check' } })
  await ended(tasks.check)
  t.match((await root.get('/admin/check')).body, 'All is well.')
  t.match(activity.list(), [{ kind: 'change', who: 'root', what: 'check' }])
})

t.test('a check that is under way shows how far it is, and is the only one', async (t) => {
  const { root, tasks } = await openOperatorConsole(t)
  const disk = faultyDisk(t)
  const release = disk.hold('readdir', /alice$/)
  await root.get('/admin/check')
  await root.post('/admin/check')
  const { body, headers } = await root.get('/admin/check')
  t.equal(headers['refresh'], '3')
  t.match(body, 'The check is under way')
  t.match(await root.post('/admin/check'), { statusCode: 409, body: 'A check is under way already.' })
  release()
  await ended(tasks.check)
})

t.test('findings are said in words, as text', async (t) => {
  const { root, tasks, dir } = await openOperatorConsole(t)
  await writeFile(join(dir, 'alice', `${dune}.json`), '{', { mode: 0o600 })
  await writeFile(join(dir, '<script>alert(1)'), '')
  await root.get('/admin/check')
  await root.post('/admin/check')
  await ended(tasks.check)
  const { body } = await root.get('/admin/check')
  t.match(body, '2 findings, 1 of them damage.')
  t.match(body, /<strong>Damage:<\/strong> <code><bdi>alice\/[^<]*<\/bdi><\/code> is not JSON\./)
  t.match(body, 'A repair: it ')
  t.match(body, 'kss check --repair')
  t.match(body, '&lt;script&gt;alert(1)')
  t.notMatch(body, '<script>alert')
})

t.test('a check that fails says why', async (t) => {
  const { root, tasks } = await openOperatorConsole(t)
  const disk = faultyDisk(t)
  disk.fail('stat', /kss-test-[^/]*$/, 'EIO')
  await root.get('/admin/check')
  await root.post('/admin/check')
  await ended(tasks.check)
  t.match((await root.get('/admin/check')).body, /The check of .* failed\. EIO/)
})
