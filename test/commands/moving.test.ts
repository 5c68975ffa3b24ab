import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openEngine, type OpenedEngine } from '../../src/control/open-store.ts'
import { loadConfig } from '../../src/config.ts'
import type { Admin, Store } from '../../src/store/store.ts'
import { eachPage } from '../../src/store/pages.ts'
import { accountOf, byName } from '../store/by-name.ts'
import { hardNames, pushed } from '../store/contract.ts'
import { noRedis, startRedis, type Redis } from '../redis.ts'
import { run } from './run.ts'
import { folder, openStore, stateFolder } from './state-fixture.ts'

/** An env file for commands that run in this process. */
async function envFile(t: Test, { url }: Pick<Redis, 'url'>): Promise<string> {
  const path = join(await folder(t), 'kss.env')
  await writeFile(path, `KSS_STORE=${url}\n`)
  return path
}

async function openRedis(t: Test, { url }: Redis): Promise<OpenedEngine> {
  const opened = await openEngine(loadConfig({ KSS_STORE: url }, undefined, {}))
  await opened.survey.look()
  t.teardown(() => opened.close())
  return opened
}

/** What is in a store of alice, of accounts with hard names, and of what operators set. */
async function fill({ store, admin }: { store: Store; admin: Admin }): Promise<void> {
  for (const [at, name] of hardNames.entries()) {
    await store.createUser({ username: name, key: `key of ${name}`, ...(at === 0 && { adopted: true }) })
    for (const document of [name, 'auth']) {
      await byName(store).putProgress(name, { ...pushed, document, metadata: { title: name } })
      const next = { ...pushed, document, progress: 'next', device_id: 'A', timestamp: pushed.timestamp + 1 }
      await byName(store).putProgress(name, next)
    }
  }
  await admin.setQuota(await accountOf(store, 'ann'), { documents: 500 })
  await admin.setAdmin(await accountOf(store, 'ann'), true)
  await admin.putTitle(await accountOf(store, 'ann'), 'ann', 'A title')
  await admin.setDisabled(await accountOf(store, 'Ann'), true)
  await admin.setRegistration({ open: false })
  await admin.setInvited('eve', true)
}

/** All that a store says of its accounts, by their names. */
async function contentOf({ store, admin }: { store: Store; admin: Admin }): Promise<Record<string, unknown>> {
  const { removed: _here, ...registration } = await store.getRegistration()
  const content: Record<string, unknown> = { registration }
  for await (const { users, damaged } of eachPage((cursor) => admin.listUsers(cursor, 5))) {
    if (damaged.length > 0) throw new Error(damaged.join())
    for (const { account, ...user } of users) {
      const documents: Record<string, unknown> = {}
      for await (const page of eachPage((cursor) => admin.exportAccount(account, cursor))) {
        for (const { record, rows } of page.documents) documents[record.document] = { record, rows }
      }
      content[account.username] = { ...user, documents }
    }
  }
  return content
}

/** The same of a folder that no kss has. */
async function contentOfFolder(dir: string): Promise<Record<string, unknown>> {
  const store = await openStore(dir)
  const content = await contentOf({ store, admin: store.admin })
  await store.close()
  return content
}

t.test('on a Redis', { skip: noRedis }, async (t) => {
  t.test('an export of one account, or of all, is restored into a folder', async (t) => {
    const redis = await startRedis(t)
    const opened = await openRedis(t, redis)
    await fill(opened)
    const file = await envFile(t, redis)
    const archive = join(await folder(t), 'export.tar.gz')
    const { ann, ...others } = await contentOf(opened)
    const exported = await run('/none', 'export', 'ann', '-o', archive, '--env-file', file)
    t.same(exported, { code: 0, stdout: '', stderr: '' })
    const dir = await stateFolder(t)
    t.match(await run(dir, 'backup', 'restore', '--merge', archive), { code: 0, stderr: '' })
    const merged = await contentOfFolder(dir)
    t.same(Object.keys(merged).toSorted(), ['alice', 'ann', 'registration'])
    const { admin: _operator, quota: _limits, ...plain } = ann as Record<string, unknown>
    t.same(merged['ann'], plain, 'limits and the rights of an operator are not those of this server')
    t.match(await run('/none', 'export', '--all', '-o', archive, '--env-file', file), { code: 0, stderr: '' })
    const empty = await folder(t)
    t.match(await run(empty, 'backup', 'restore', archive), { code: 0, stderr: '' })
    const { ann: _ann, ...restored } = await contentOfFolder(empty)
    t.same(restored, { ...others, registration: { invited: [] } })
    t.equal((await run(empty, 'check')).stdout, 'All is well.\n')
  })

  t.test('a folder moves to it, and back, with all that is in it', async (t) => {
    const redis = await startRedis(t)
    const file = await envFile(t, redis)
    const dir = await stateFolder(t, (store) => fill({ store, admin: store.admin }))
    const expected = await contentOfFolder(dir)
    const archives = await folder(t)
    const first = join(archives, 'first.tar.gz')
    t.match(await run(dir, 'backup', 'create', first), { code: 0, stderr: '' })
    const { TMPDIR } = process.env
    const temporary = (process.env['TMPDIR'] = await folder(t))
    const restored = await run('/none', 'backup', 'restore', first, '--env-file', file)
    if (TMPDIR === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = TMPDIR
    t.match(restored, { code: 0, stderr: '', stdout: /^Data store: Redis at .* accounts restored\.\n$/s })
    t.same(await readdir(temporary), [], 'nothing is left over')
    const opened = await openRedis(t, redis)
    t.same(await contentOf(opened), expected)
    t.ok(await opened.admin.hasOperator())
    const made = await run('/none', 'backup', 'create', archives, '--keep', '1', '--env-file', file)
    t.match(made, { code: 0, stderr: '', stdout: /^The backup is in .*: \d+ accounts, \d+ documents, / })
    const path = (await readdir(archives)).find((name) => name !== 'first.tar.gz')!
    const target = join(await folder(t), 'new')
    t.match(await run(target, 'backup', 'restore', join(archives, path)), { code: 0, stderr: '' })
    t.same(await contentOfFolder(target), expected)
    t.equal((await run(target, 'check')).stdout, 'All is well.\n')
    const again = await run('/none', 'backup', 'restore', first, '--env-file', file)
    const [code, stderr] = [1, 'KSS_STORE has accounts. Pass --merge to add to them, or an empty database.\n']
    t.same(again, { code, stdout: '', stderr })
    t.match(await run('/none', 'backup', 'restore', '--merge', first, '--env-file', file), { code: 0, stderr: '' })
    t.same(await contentOf(opened), expected)
  })

  t.test('a backup needs a target, and accounts', async (t) => {
    const redis = await startRedis(t)
    const file = await envFile(t, redis)
    const archives = await folder(t)
    const create = (...args: string[]) => run('/none', 'backup', 'create', ...args, '--env-file', file)
    t.match(await create(), { code: 2, stderr: /^KSS_STORE is set: there is no data folder for backups\. Pass a file/ })
    t.match(await create(archives), { code: 1, stderr: /^There are no accounts in KSS_STORE: no backup was made\./ })
    await redis.command(1, 'SADD', 'user:eve:key', 'not a string')
    await redis.command(1, 'ZADD', 'kss:users', '0', 'eve', '0', 'ann')
    await redis.command(1, 'SET', 'user:ann:key', 'K')
    t.match(await create(archives), { code: 4, stderr: /^Left out: user "eve": .*\n$/ })
    t.equal((await readdir(archives)).length, 1)
  })

  t.test('a row that cannot be read is left out, and the position is exported', async (t) => {
    const redis = await startRedis(t)
    const opened = await openRedis(t, redis)
    await opened.store.createUser({ username: 'ann', key: 'K' })
    await byName(opened.store).putProgress('ann', pushed)
    await redis.command(1, 'RPUSH', `kss:{ann}:history:${pushed.document}`, 'damaged')
    const { account } = (await opened.store.getUser('ann'))!
    t.same(await opened.admin.exportAccount(account), { documents: [{ record: pushed, rows: [pushed] }], problems: [] })
    t.same(await opened.store.listHistory(account, pushed.document), [pushed])
    t.ok(await opened.admin.putTitle(account, pushed.document, 'Dune'))
  })
})
