import { mkdir, readdir, readFile, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Activity } from '../../src/activity/activity.ts'
import { createOperatorTasks } from '../../src/commands/operator-tasks.ts'
import { loadConfig } from '../../src/config.ts'
import type { LongTask, OperatorTasks, RunState } from '../../src/console/operator-tasks.ts'
import type { Account } from '../../src/store/store.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { until } from '../until.ts'
import { dune, openStore, stateFolder } from './state-fixture.ts'

interface Opened {
  dir: string
  tasks: OperatorTasks & { stop: () => Promise<void> }
  account: (username: string) => Promise<Account>
  activity: Activity
  /** What was logged. */
  log: { level: number; msg: string }[]
}

/** The tasks of a server with alice and her Dune. */
async function open(t: Test, { flush = true, settings = {} } = {}): Promise<Opened> {
  const dir = await stateFolder(t)
  const store = await openStore(dir)
  t.teardown(() => store.close())
  const log: Opened['log'] = []
  const logger = pino({ base: null }, { write: (line) => void log.push(JSON.parse(line) as Opened['log'][0]) })
  const activity = new Activity()
  const loaded = loadConfig({ KSS_DIR: dir }, undefined, settings)
  const tasks = createOperatorTasks({
    ...loaded,
    store,
    admin: {
      flush: async () => (await store.admin.flush()) && flush,
      exportAccount: (...args) => store.admin.exportAccount(...args),
    },
    activity,
    logger,
  })
  t.teardown(() => tasks.stop())
  return { dir, tasks, activity, log, account: async (username) => (await store.getUser(username))!.account }
}

async function ended<T>(task: LongTask<T>): Promise<RunState<T>> {
  await until(async () => task.state().is !== 'running')
  return task.state()
}

const backupsOf = async (dir: string): Promise<string[]> => await readdir(join(dir, '.backups'))

t.test('a backup is made, listed and opened by its name', async (t) => {
  const { dir, tasks } = await open(t)
  t.same(await tasks.listBackups(), [])
  t.ok(tasks.backup.start())
  t.notOk(tasks.backup.start(), 'one at a time')
  const state = await ended(tasks.backup)
  t.match(state, { is: 'done', result: { users: 1, documents: 1 } })
  const [made, ...others] = await tasks.listBackups()
  t.same(others, [])
  t.match(state, { result: { name: made!.name } })
  const opened = await tasks.openBackup(made!.name)
  const bytes = await buffer(opened!.stream)
  t.equal(bytes.length, opened!.bytes)
  t.equal(bytes.length, made!.bytes)
  const names = (await unpackTar(gunzipSync(bytes))).map(({ header }) => header.name)
  t.ok(names.includes('alice/auth.json'))
  t.same(await backupsOf(dir), [made!.name])
})

t.test('the newest backup is listed first', async (t) => {
  const { dir, tasks } = await open(t)
  await mkdir(join(dir, '.backups'), { mode: 0o700 })
  await writeFile(join(dir, '.backups', 'one.tar.gz'), 'x')
  await utimes(join(dir, '.backups', 'one.tar.gz'), 1000, 1000)
  t.ok(tasks.backup.start())
  await ended(tasks.backup)
  t.match(await tasks.listBackups(), [{ name: /^kss-/ }, { name: 'one.tar.gz', bytes: 1 }])
})

t.test('nothing but a listed name opens anything', async (t) => {
  const { dir, tasks } = await open(t)
  t.equal(await tasks.openBackup('none.tar.gz'), undefined, 'without a folder of backups')
  const backups = join(dir, '.backups')
  await mkdir(backups, { mode: 0o700 })
  await writeFile(join(backups, 'kss.tar.gz'), 'archive')
  await writeFile(join(backups, '.tmp-1.tar.gz'), 'half')
  await writeFile(join(dir, 'top.tar.gz'), 'outside')
  await mkdir(join(backups, 'folder.tar.gz'))
  await symlink(join(dir, 'alice', 'auth.json'), join(backups, 'link.tar.gz'))
  for (const name of [
    '',
    '.',
    '..',
    '../top.tar.gz',
    '../alice/auth.json',
    './kss.tar.gz',
    'kss.tar.gz/',
    '/kss.tar.gz',
    '..\\top.tar.gz',
    'kss.tar.gz\0',
    'KSS.TAR.GZ',
    '.tmp-1.tar.gz',
    '%2e%2e/top.tar.gz',
  ]) {
    t.equal(await tasks.openBackup(name), undefined, JSON.stringify(name))
  }
  await t.rejects(tasks.openBackup('link.tar.gz'), { message: /is a symbolic link/ })
  await t.rejects(tasks.openBackup('folder.tar.gz'), { message: 'folder.tar.gz is not a file.' })
  t.equal(await text((await tasks.openBackup('kss.tar.gz'))!.stream), 'archive')
  await truncate(join(backups, 'kss.tar.gz'))
  t.equal(await text((await tasks.openBackup('kss.tar.gz'))!.stream), '', 'an empty one')
})

t.test('a full disk leaves no half backup behind', async (t) => {
  const { dir, tasks, log } = await open(t)
  const disk = faultyDisk(t)
  disk.fail('sync', /\.backups/, 'ENOSPC')
  t.ok(tasks.backup.start())
  t.match(await ended(tasks.backup), { is: 'failed', reason: 'The disk is full. Make room on it, then try again.' })
  t.same(await backupsOf(dir), [])
  t.match(log, [{ level: 50, msg: 'backup failed', err: { code: 'ENOSPC' } }])
  disk.mend()
  t.ok(tasks.backup.start())
  t.match(await ended(tasks.backup), { is: 'done' }, 'it works when there is room again')
})

t.test('without all positions in their files a backup says so, and there is no export', async (t) => {
  const { dir, tasks, account } = await open(t, { flush: false })
  t.ok(tasks.backup.start())
  t.match(await ended(tasks.backup), { is: 'done', result: { lacks: /^It lacks the newest positions of some books/ } })
  t.equal((await backupsOf(dir)).length, 1)
  const reason = 'Some positions are not in their files yet. Try again; see the log.'
  const alice = await account('alice')
  for (const format of ['kss', 'csv'] as const) await t.rejects(tasks.export(alice, format), { message: reason })
})

t.test('a stop cuts a backup off, which leaves nothing behind', async (t) => {
  const { dir, tasks } = await open(t)
  const disk = faultyDisk(t)
  const release = disk.hold('open', /\.backups.*tmp/)
  t.ok(tasks.backup.start())
  await until(async () => disk.count('open', /\.backups.*tmp/) > 0)
  const stopped = tasks.stop()
  release()
  await stopped
  t.match(tasks.backup.state(), { is: 'failed', reason: 'The server was stopped meanwhile.' })
  t.same(await backupsOf(dir), [])
  t.notOk(tasks.backup.start())
})

t.test('a check tells what is wrong beside the running server', async (t) => {
  const { dir, tasks } = await open(t)
  t.ok(tasks.check.start())
  t.notOk(tasks.check.start(), 'one at a time')
  t.match(await ended(tasks.check), { is: 'done', result: { findings: [], total: 0, damaged: 0 } })
  await writeFile(join(dir, 'alice', `${dune}.json`), '{')
  await writeFile(join(dir, 'stray.txt'), '')
  t.ok(tasks.check.start())
  const state = await ended(tasks.check)
  t.match(state, { is: 'done', result: { total: 2, damaged: 1 } })
  t.match(state.is === 'done' && state.result.findings.find(({ damage }) => damage), {
    path: `alice/${dune}.json`,
    problem: 'is not JSON',
  })
})

t.test('a check keeps the first 1,000 findings, and counts all', async (t) => {
  const { dir, tasks } = await open(t)
  await mkdir(join(dir, 'alice', 'history'), { recursive: true })
  for (let at = 0; at < 1005; at += 1) await writeFile(join(dir, 'alice', `${at}.json`), '{', { mode: 0o600 })
  t.ok(tasks.check.start())
  const state = await ended(tasks.check)
  t.match(state, { is: 'done', result: { total: 1005 } })
  t.equal(state.is === 'done' && state.result.findings.length, 1000)
})

t.test('a check of a folder that is gone fails in words, and a stop cuts it off', async (t) => {
  const { dir, tasks } = await open(t)
  await writeFile(join(dir, 'alice', `${dune}.json`), '{')
  t.ok(tasks.check.start())
  await tasks.stop()
  t.match(tasks.check.state(), { is: 'failed', reason: 'The server was stopped meanwhile.' })
  const other = await open(t)
  await rename(other.dir, `${other.dir}-gone`)
  t.ok(other.tasks.check.start())
  t.match(await ended(other.tasks.check), { is: 'failed', reason: /ENOENT/ })
  await rename(`${other.dir}-gone`, other.dir)
})

t.test('an account is exported as an archive, and as CSV', async (t) => {
  const { tasks, account } = await open(t)
  const alice = await account('alice')
  const entries = await unpackTar(gunzipSync(await buffer(await tasks.export(alice, 'kss'))))
  t.same(entries.map(({ header }) => header.name).toSorted(), [
    `alice/${dune}.json`,
    'alice/auth.json',
    `alice/history/${dune}.jsonl`,
    'kss-backup.json',
  ])
  const lines = (await text(await tasks.export(alice, 'csv'))).split('\r\n')
  t.equal(lines[0], '\ufeff"username","document","title","time","percentage","progress","device","device_id","latest"')
  t.match(lines[4], /^"alice","35322b7036d0c3298eedde8c30429693","Dune",.*,"Kobo","KOBO-ID","yes"$/)
  t.equal(lines.length, 6)
})

t.test('an export tells of a damaged position in the log, and holds the others', async (t) => {
  const { dir, tasks, account, log } = await open(t)
  await writeFile(join(dir, 'alice', 'other.json'), '{')
  const csv = await text(await tasks.export(await account('alice'), 'csv'))
  t.match(csv, '"Dune"')
  t.match(log, [{ level: 50, msg: 'damaged file' }])
})

t.test('an export that is broken off ends', async (t) => {
  const { tasks, account, log } = await open(t)
  const archive = await tasks.export(await account('alice'), 'kss')
  archive.destroy()
  await until(() => log.some(({ msg }) => msg === 'export cut off'))
})

t.test('settings say where they come from', async (t) => {
  const { dir, tasks } = await open(t, { settings: { KSS_TRUSTED_PROXIES: '10.0.0.0/8,::1' } })
  const settings = tasks.settings()
  t.same(settings[0], { name: 'KSS_HOST', value: '0.0.0.0', source: 'default' })
  for (const setting of [
    { name: 'KSS_DIR', value: dir, source: 'flag' },
    { name: 'KSS_TRUSTED_PROXIES', value: '10.0.0.0/8,::1', source: 'environment' },
  ]) {
    t.same(
      settings.find(({ name }) => name === setting.name),
      setting,
    )
  }
})

t.test('the state of the server', async (t) => {
  const { tasks, activity } = await open(t)
  activity.addCommand('kss user list')
  const { version, started, disk, minutes, activity: entries } = await tasks.stats()
  const { version: own } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  t.equal(version, own)
  t.ok(started > 0 && started <= Date.now() / 1000)
  t.ok(disk.free > 0 && disk.free < disk.size)
  t.equal(minutes.length, 60)
  t.match(entries, [{ kind: 'command', what: 'kss user list' }])
})

t.test('what an operator does is in the log and in the activity', async (t) => {
  const { tasks, activity, log } = await open(t)
  tasks.record('the operator', ['user', 'rename', 'alice', 'al ice'])
  t.match(log, [{ level: 30, msg: "console: 'the operator': user rename alice 'al ice'" }])
  t.match(activity.list(), [{ kind: 'change', who: 'the operator', what: "user rename alice 'al ice'" }])
})
