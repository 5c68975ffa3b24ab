import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { FileStore, type FileStoreOptions } from '../../../src/store/file-store/file-store.ts'
import type { Account } from '../../../src/store/store.ts'
import { threadReads } from '../../../src/store/file-store/files/file-reads.ts'
import { accountOf } from '../by-name.ts'
import { pushed } from '../contract.ts'

interface Opened {
  dir: string
  store: FileStore
  ann: Account
}

async function open(t: Test, files = {}, options: Partial<FileStoreOptions> = {}): Promise<Opened> {
  const dir = t.testdir({ ann: { 'auth.json': auth('ann') }, ...files })
  const store = await FileStore.open({ dir, history: true, onDamage: () => undefined, ...options })
  t.teardown(() => store.close())
  return { dir, store, ann: await accountOf(store, 'ann') }
}

const auth = (username: string): string => JSON.stringify({ 'x-auth-user': username, 'x-auth-key': 'K' })
const line = (more: Partial<Progress>): string => `${JSON.stringify({ ...pushed, ...more })}\n`
const documentsOf = (records: Progress[]): string[] => records.map(({ document }) => document)

for (const blocking of [true, false]) {
  const how = blocking ? 'for a command' : 'for a server'

  t.test(`an account that cannot be read is in the list, with why: ${how}`, async (t) => {
    const { dir, store, ann } = await open(
      t,
      {
        bob: { 'auth.json': '{' },
        carl: { 'abc.json': line({}) },
        copy: { 'auth.json': auth('ann') },
        dora: { 'auth.json': {} },
        eve: { 'auth.json': auth('eve'), 'abc.json': {} },
        photos: {},
        '.tmp-fred': { 'auth.json': auth('fred') },
        file: '',
      },
      { blocking },
    )
    const { accounts, damaged } = await store.admin.listAccounts()
    t.match(accounts, [{ account: ann, lastActive: Number }])
    t.equal(accounts.length, 1)
    t.match(damaged, [
      `${dir}/bob/auth.json: is not JSON`,
      `${dir}/carl/auth.json: is missing`,
      `${dir}/copy/auth.json: is of the user "ann", whose folder is ann`,
      `${dir}/dora/auth.json: cannot be read: EISDIR`,
      /^eve: EISDIR/,
    ])
    const first = await store.admin.listAccounts(undefined, 2)
    t.match([first.accounts.length, first.damaged.length], [1, 1], 'damaged ones count as entries of a page')
  })

  t.test(
    `for a record that cannot be read the newest row of its history stands in, and it is told: ${how}`,
    async (t) => {
      const files = {
        'auth.json': auth('ann'),
        'a.json': '{',
        'b.json': '{',
        'c.json': {},
        'd.json': line({ document: 'd', device: 'other' }),
        history: {
          'a.jsonl': line({ document: 'a', progress: '1' }) + line({ document: 'a', progress: '2' }),
          'c.jsonl': {},
        },
      }
      const { dir, store, ann } = await open(t, { ann: files }, { blocking })
      const problems = [`${dir}/ann/a.json: is not JSON`, `${dir}/ann/b.json: is not JSON`, /^EISDIR/]
      const listed = await store.admin.listDocuments(ann)
      t.match(listed, { documents: [{ document: 'a', progress: '2' }, { document: 'd' }], problems })
      await rm(join(dir, 'ann', 'history', 'c.jsonl'), { recursive: true })
      const exported = await store.admin.exportAccount(ann)
      t.match(exported, {
        documents: [{ record: { document: 'a' }, rows: { length: 2 } }, { rows: { length: 1 } }],
        problems,
      })
      await rm(join(dir, 'ann', 'c.json'), { recursive: true })
      t.match(await store.admin.getSummary(ann), { documents: 2, devices: 2, problems: problems.slice(0, 2) })
    },
  )

  t.test(`a folder has the size of all its files, without those of links: ${how}`, async (t) => {
    const { store, ann } = await open(t, {}, { blocking })
    const { bytes } = await store.admin.getSummary(ann)
    t.equal(bytes, auth('ann').length)
  })
}

t.test('a push whose file cannot be written is in the lists', async (t) => {
  const { dir, store, ann } = await open(t)
  // A file of that name cannot take the place of a folder.
  await mkdir(join(dir, 'ann', 'abc.json', 'x'), { recursive: true })
  await store.putProgress(ann, { ...pushed, document: 'other' })
  await store.admin.flush()
  await writeFile(join(dir, 'ann', 'late.json'), line({ document: 'late' }))
  await rm(join(dir, 'ann', 'abc.json'), { recursive: true })
  await store.putProgress(ann, pushed)
  await mkdir(join(dir, 'ann', 'abc.json', 'x'), { recursive: true })
  t.same(documentsOf((await store.admin.listDocuments(ann)).documents), ['abc', 'late', 'other'])
  t.equal((await store.admin.getSummary(ann)).documents, 3)
  t.same(
    (await store.admin.exportAccount(ann)).documents.map(({ record, rows }) => [record.document, rows.length]),
    [
      ['abc', 1],
      ['late', 1],
      ['other', 1],
    ],
  )
  await rm(join(dir, 'ann', 'abc.json'), { recursive: true })
})

t.test('a record that goes while its page is read is left out', async (t) => {
  const { store, ann, dir } = await open(t, { ann: { 'auth.json': auth('ann'), 'a.json': line({ document: 'a' }) } })
  await rm(join(dir, 'ann', 'a.json'))
  await mkdir(join(dir, 'ann', '.json'))
  t.same(await store.admin.listDocuments(ann), { documents: [], problems: [] })
})

t.test('an account whose id is not stored yet is the same one in the list', async (t) => {
  const { store, ann } = await open(t)
  const { accounts } = await store.admin.listAccounts()
  t.same(accounts[0]?.account, ann)
  await store.admin.setDisabled(accounts[0]!.account, true)
  t.match(await store.getUser('ann'), { disabled: true })
})

t.test('an account whose id is not stored yet has the same one in the next process', async (t) => {
  const { dir, store, ann } = await open(t)
  await store.close()
  const next = await FileStore.open({ dir, history: true, onDamage: () => undefined })
  t.teardown(() => next.close())
  await next.deleteUser(ann)
  t.equal(await next.getUser('ann'), undefined)
})

t.test('a page goes on in the list of its first page for a minute, then in a new one', async (t) => {
  let time = 0
  const files = Object.fromEntries(['bob', 'carl', 'dora'].map((name) => [name, { 'auth.json': auth(name) }]))
  const { store } = await open(t, files, { now: () => time })
  const { next } = await store.admin.listAccounts(undefined, 1)
  await store.createUser({ username: 'boris', key: 'K' })
  const names = async (): Promise<string[]> =>
    (await store.admin.listAccounts(next, 2)).accounts.map(({ account }) => account.username)
  t.same(await names(), ['bob', 'carl'])
  time += 61_000
  t.same(await names(), ['bob', 'boris'])
})

t.test('a page of an export ends after some MiB, or 200 documents', async (t) => {
  const { dir, store, ann } = await open(t)
  await mkdir(join(dir, 'ann', 'history'))
  const row = line({ document: 'b', progress: 'x'.repeat(2 ** 20) })
  for (const document of ['a', 'b', 'c']) await writeFile(join(dir, 'ann', `${document}.json`), line({ document }))
  for (let rows = 0; rows < 8; rows += 1) await appendFile(join(dir, 'ann', 'history', 'b.jsonl'), row)
  const first = await store.admin.exportAccount(ann)
  t.same(documentsOf(first.documents.map(({ record }) => record)), ['a', 'b'])
  const second = await store.admin.exportAccount(ann, first.next)
  t.same(documentsOf(second.documents.map(({ record }) => record)), ['c'])
  t.equal(second.next, undefined)
  await rm(join(dir, 'ann', 'history'), { recursive: true })
  for (let at = 0; at < 200; at += 1) await writeFile(join(dir, 'ann', `x${at}.json`), line({ document: `x${at}` }))
  const { documents, next } = await store.admin.exportAccount(ann)
  t.equal(documents.length, 200)
  t.equal((await store.admin.exportAccount(ann, next)).documents.length, 3)
})

t.test('files that go while an account is summed up count for nothing, and without auth.json it is gone', async (t) => {
  const { store, ann } = await open(t, { ann: { 'auth.json': auth('ann'), 'abc.json': line({}) } })
  const { stat } = threadReads
  t.teardown(() => (threadReads.stat = stat))
  threadReads.stat = (path) => (path.endsWith('abc.json') ? undefined : stat(path))
  const { bytes } = await store.admin.getSummary(ann)
  t.equal(bytes, (await stat(`${t.testdirName}/ann/auth.json`))?.size)
  threadReads.stat = (path) => (path.endsWith('auth.json') ? undefined : stat(path))
  await t.rejects(store.admin.getSummary(ann), { code: 'STALE_ACCOUNT' })
})
