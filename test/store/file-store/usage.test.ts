import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileStore, type FileStoreOptions } from '../../../src/store/file-store/file-store.ts'
import { removeFoldersLast } from '../../folders-last.ts'
import { adminByName, accountOf, byName } from '../by-name.ts'
import { pushed } from '../contract.ts'
import { until } from '../../until.ts'
import { faultyDisk } from './faulty-disk.ts'

removeFoldersLast(t)

async function openWithAnn(t: Test, quota: FileStoreOptions['quota'], dir = t.testdir({})) {
  const store = await FileStore.open({
    dir,
    history: true,
    ...(quota && { quota }),
    onDamage: (error) => t.fail(String(error)),
  })
  t.teardown(() => store.close())
  await store.createUser({ username: 'ann', key: 'K' })
  const push = (document: string, progress = '56') =>
    byName(store).putProgress('ann', { ...pushed, document, progress })
  return { dir, store, push }
}

t.test('an account takes no more documents than it may, and goes on with those that it has', async (t) => {
  const { store, push } = await openWithAnn(t, { documents: 3, bytes: 0 })
  for (const document of ['a', 'b', 'c']) await push(document)
  await t.rejects(push('d'), { code: 'QUOTA_REACHED' })
  t.equal(await byName(store).getProgress('ann', 'd'), undefined)
  t.match(await push('a', '57'), { progress: '57' })
  await adminByName(store).deleteProgress('ann', 'b')
  t.match(await push('d'), { document: 'd' })
  await t.rejects(push('b'), { code: 'QUOTA_REACHED' })
})

t.test('of many new documents at once no more are taken than there is room for', async (t) => {
  const { push } = await openWithAnn(t, { documents: 3, bytes: 0 })
  const pushes = await Promise.allSettled(Array.from({ length: 20 }, (_, number) => push(`${number}`)))
  t.equal(pushes.filter(({ status }) => status === 'fulfilled').length, 3)
})

t.test('pushes of one new document at once count once', async (t) => {
  const { push } = await openWithAnn(t, { documents: 3, bytes: 0 })
  await Promise.all(Array.from({ length: 20 }, (_, number) => push('a', `${number}`)))
  for (const document of ['b', 'c']) await push(document)
  const refused = await Promise.allSettled([push('d'), push('d')])
  for (const each of refused) t.match(each, { status: 'rejected', reason: { code: 'QUOTA_REACHED' } })
  t.match(await push('a', 'newest'), { progress: 'newest' })
})

t.test('a count that lasts longer than the account does not count for the next one of its name', async (t) => {
  const { store, push } = await openWithAnn(t, { documents: 3, bytes: 10_000_000 })
  const rows = ['a', 'b', 'c'].map((document) => ({ rows: [{ ...pushed, document }] }))
  await adminByName(store).importAccount('ann', rows)
  const disk = faultyDisk(t)
  const listed = /\/ann\/history$/
  const release = disk.hold('readdir', listed)
  await push('a', 'x'.repeat(2 ** 20))
  await until(() => disk.count('readdir', listed) === 1)
  await byName(store).deleteUser('ann')
  await store.createUser({ username: 'ann', key: 'L' })
  release()
  for (const document of ['d', 'e', 'f']) await push(document)
  await t.rejects(push('g'), { code: 'QUOTA_REACHED' })
})

t.test('what is there at the start counts, histories too, and other files that are no documents', async (t) => {
  const { dir, store, push } = await openWithAnn(t, { documents: 0, bytes: 5000 })
  await push('a')
  await store.admin.flush()
  await writeFile(join(dir, 'ann', 'history', 'old.jsonl'), 'x'.repeat(6000))
  const { push: again } = await openWithAnn(t, { documents: 0, bytes: 5000 }, dir)
  await t.rejects(again('b'), { code: 'QUOTA_REACHED' })
})

t.test('the history of a known document grows no more when the account has as many bytes as it may', async (t) => {
  const { store, push } = await openWithAnn(t, { documents: 10, bytes: 5000 })
  await push('a')
  for (let page = 0; page < 10; page++) await push('a', `${page}${'x'.repeat(1000)}`)
  t.match(await byName(store).getProgress('ann', 'a'), { progress: /^9x/ })
  const rows = await byName(store).listHistory('ann', 'a')
  t.ok(rows.length > 1 && rows.length < 8, `${rows.length} rows`)
  await t.rejects(push('b'), { code: 'QUOTA_REACHED' })
  await adminByName(store).pruneHistory('ann', 1, 0, 'a')
  t.match(await push('b'), { document: 'b' })
})

t.test('an account that only pushes to known documents is counted after a while', async (t) => {
  const { dir, store, push } = await openWithAnn(t, { documents: 0, bytes: 100_000 })
  await mkdir(join(dir, 'ann', 'history'))
  await writeFile(join(dir, 'ann', 'a.json'), JSON.stringify({ ...pushed, document: 'a' }))
  const text = 'x'.repeat(16_000)
  let [before, rows] = [-1, 0]
  // More than 65 of them: the account is counted behind the pushes, and until then each is a row.
  for (let page = 0; page < 65 || rows !== before; page++) {
    await push('a', `${page}${text}`)
    before = rows
    rows = (await byName(store).listHistory('ann', 'a')).length
  }
  t.ok(rows >= 65)
  t.equal(await push('a', 'the last').then(({ progress }) => progress), 'the last')
  t.equal((await byName(store).listHistory('ann', 'a')).length, rows)
})

t.test('an operator gives an account other limits, and takes them back', async (t) => {
  const { dir, store, push } = await openWithAnn(t, { documents: 1, bytes: 0 })
  await push('a')
  const before = await accountOf(store, 'ann')
  await adminByName(store).setQuota('ann', { documents: 2 })
  t.same(await accountOf(store, 'ann'), before, 'requests under way go on')
  await push('b')
  await t.rejects(push('c'), { code: 'QUOTA_REACHED' })
  await adminByName(store).setQuota('ann', { documents: 0, bytes: 1 })
  await t.rejects(push('c'), { code: 'QUOTA_REACHED' })
  t.match(JSON.parse(await readFile(join(dir, 'ann', 'auth.json'), 'utf8')), { quota_documents: 0, quota_bytes: 1 })
  t.match(await store.getUser('ann'), { quota: { documents: 0, bytes: 1 } })
  await adminByName(store).setQuota('ann', {})
  t.equal((await store.getUser('ann'))?.quota, undefined)
  await t.rejects(adminByName(store).setQuota('bob', {}), { code: 'STALE_ACCOUNT' })
})

t.test('without limits nothing is counted, and a limit that is no number is none', async (t) => {
  const { dir, store, push } = await openWithAnn(t, undefined)
  const auth = JSON.parse(await readFile(join(dir, 'ann', 'auth.json'), 'utf8')) as object
  await writeFile(join(dir, 'ann', 'auth.json'), JSON.stringify({ ...auth, quota_documents: -1, quota_bytes: '1' }))
  for (const document of ['a', 'b']) await push(document)
  t.equal((await store.getUser('ann'))?.quota, undefined)
})
