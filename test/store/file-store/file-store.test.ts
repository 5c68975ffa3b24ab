import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { FileStore } from '../../../src/store/file-store/file-store.ts'
import { removeTemps } from '../../../src/control/remove-temps.ts'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { pushed, testAdmin, testStore } from '../contract.ts'
import { removeFoldersLast } from '../../folders-last.ts'
import { accountOf, byName, usernamesOf } from '../by-name.ts'
import { readRecord } from '../../../src/store/file-store/files/read-record.ts'
import { runAhead } from '../../run-ahead.ts'
import { until } from '../../until.ts'

removeFoldersLast(t)

interface Opened {
  dir: string
  store: FileStore
  damage: unknown[]
}

async function open(t: Test, dir: string = t.testdir({}), history = true): Promise<Opened> {
  const damage: unknown[] = []
  const store = await FileStore.open({ dir, history, onDamage: (error) => damage.push(error) })
  t.teardown(() => store.close())
  return { dir, store, damage }
}

async function openWithAnn(t: Test, history = true): Promise<Opened> {
  const opened = await open(t, t.testdir({}), history)
  await opened.store.createUser({ username: 'ann', key: 'K' })
  return opened
}

/** Puts, and waits until it is in the files. */
async function put(store: FileStore, username: string, progress: Progress): Promise<Progress | undefined> {
  const stored = await byName(store).putProgress(username, progress)
  await store.admin.flush()
  return stored
}

const readJson = async (...path: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as Record<string, unknown>

async function listAll(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

testStore(t, async (t) => (await open(t)).store)

testAdmin(t, async (t) => {
  const { store } = await open(t)
  return { store, admin: store.admin }
})

t.test('the files are those of STORAGE.md, whole, and for the owner alone', async (t) => {
  const { dir, store } = await openWithAnn(t)
  await put(store, 'ann', pushed)
  t.match(await readJson(dir, 'ann', 'auth.json'), { 'x-auth-user': 'ann', 'x-auth-key': 'K' })
  t.same(await readJson(dir, 'ann', 'abc.json'), pushed)
  t.equal(await readFile(join(dir, 'ann', 'history', 'abc.jsonl'), 'utf8'), `${JSON.stringify(pushed)}\n`)
  for (const path of await listAll(dir)) {
    t.equal((await stat(path)).mode & 0o777, 0o600)
    if (dirname(path) !== dir) t.equal((await stat(dirname(path))).mode & 0o777, 0o700)
  }
})

t.test('nothing is written outside the folder, and nothing beside the files', async (t) => {
  const parent = t.testdir({ state: {} })
  const { store } = await open(t, join(parent, 'state'))
  await store.createUser({ username: '../x', key: 'K' })
  await put(store, '../x', { ...pushed, document: '../../auth' })
  t.same((await readdir(parent)).toSorted(), ['state'])
  t.same((await readdir(join(parent, 'state', '%2e%2e%2fx'))).toSorted(), [
    '%2e%2e%2f%2e%2e%2fauth.json',
    'auth.json',
    'history',
  ])
})

t.test('without history there is no history folder', async (t) => {
  const { dir, store } = await openWithAnn(t, false)
  await put(store, 'ann', pushed)
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json'])
})

t.test('an edit by hand is served within a second, and a push keeps what it added', async (t) => {
  const pass = runAhead(t)
  const { dir, store } = await openWithAnn(t)
  await put(store, 'ann', pushed)
  await writeFile(join(dir, 'ann', 'abc.json'), JSON.stringify({ ...pushed, percentage: 0.9, note: 'mine' }))
  await writeFile(join(dir, 'ann', 'auth.json'), JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'L', note: 1 }))
  pass(1000)
  t.match(await byName(store).getProgress('ann', 'abc'), { percentage: 0.9 })
  t.match(await store.getUser('ann'), { key: 'L' })
  await put(store, 'ann', pushed)
  await byName(store).setKey('ann', 'M')
  t.match(await readJson(dir, 'ann', 'abc.json'), { percentage: 0.5, note: 'mine' })
  t.match(await readJson(dir, 'ann', 'auth.json'), { 'x-auth-user': 'ann', 'x-auth-key': 'M', note: 1 })
})

t.test('a file or user that is removed by hand is gone within a second, one that is copied in is there', async (t) => {
  const pass = runAhead(t)
  const { dir, store } = await openWithAnn(t)
  await put(store, 'ann', pushed)
  await rm(join(dir, 'ann', 'abc.json'))
  await mkdir(join(dir, 'bob'))
  t.equal(await store.getUser('bob'), undefined)
  await writeFile(join(dir, 'bob', 'auth.json'), JSON.stringify({ 'x-auth-user': 'bob', 'x-auth-key': 'K' }))
  pass(1000)
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.match(await store.getUser('bob'), { key: 'K' })
})

t.test('a folder of Python kss works as it is', async (t) => {
  const pass = runAhead(t)
  const auth = (user: string): string => JSON.stringify({ 'x-auth-user': user, 'x-auth-key': 'plain', extra: true })
  const record = { document: 'AbC', percentage: '0.25', progress: '12', device: 'kobo', timestamp: 1000, extra: 1 }
  const dir = t.testdir({
    Alice: { 'auth.json': auth('Alice'), 'AbC.json': JSON.stringify(record) },
    bob: { 'auth.json': auth('bob'), 'abc.json': JSON.stringify({ ...record, document: 'abc', percentage: null }) },
    // What an attacker of Python kss could leave: another user's name in one's own folder.
    Mallory: { 'auth.json': auth('Alice') },
  })
  const { store } = await open(t, dir)
  t.match(await store.getUser('Alice'), { username: 'Alice', key: 'plain' })
  t.equal(await store.getUser('alice'), undefined)
  t.equal(await store.getUser('Mallory'), undefined)
  t.equal(await store.createUser({ username: 'Alice', key: 'K' }), false)
  t.equal(await store.createUser({ username: 'alice', key: 'K' }), true)
  t.match(await byName(store).getProgress('Alice', 'AbC'), { percentage: 0.25, progress: '12' })
  t.equal(await byName(store).getProgress('Alice', 'abc'), undefined)
  await writeFile(join(dir, 'Alice', 'XyZ.json'), JSON.stringify({ ...record, document: 'other' }))
  pass(1000)
  t.equal(await byName(store).getProgress('Alice', 'XyZ'), undefined)
  t.match(await byName(store).getProgress('bob', 'abc'), { percentage: 0 })

  await put(store, 'Alice', { ...pushed, document: 'AbC' })
  t.match(await readJson(dir, 'Alice', 'AbC.json'), { percentage: 0.5, extra: 1 })
  const history = await byName(store).listHistory('Alice', 'AbC')
  t.same(
    history.map(({ progress }) => progress),
    ['12', pushed.progress],
    'the position of before is the first row',
  )
  await byName(store).upgradeKey('Alice', 'plain', 'K')
  t.match(await readJson(dir, 'Alice', 'auth.json'), { 'x-auth-user': 'Alice', 'x-auth-key': 'K', extra: true })
  t.same((await usernamesOf(store)).toSorted(), ['Alice', 'alice', 'bob'])
  await byName(store).deleteUser('Alice')
  t.same((await readdir(dir)).toSorted(), ['.format', '.registration.json', '.wal', 'Mallory', 'alice', 'bob'])
})

t.test('the document auth never reads, and never touches, the credential', async (t) => {
  const { dir, store } = await openWithAnn(t)
  t.equal(await byName(store).getProgress('ann', 'auth'), undefined)
  await put(store, 'ann', { ...pushed, document: 'auth' })
  t.match(await readJson(dir, 'ann', 'auth.json'), { 'x-auth-key': 'K' })
  t.match(await byName(store).getProgress('ann', 'auth'), { document: 'auth' })
})

t.test('a file that holds another document is not served, and is set aside, not overwritten', async (t) => {
  const { dir, store } = await openWithAnn(t)
  await writeFile(join(dir, 'ann', 'abc.json'), JSON.stringify({ ...pushed, document: 'other' }))
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  await put(store, 'ann', pushed)
  const aside = (await readdir(join(dir, 'ann'))).find((name) => name.startsWith('abc.json.corrupt-')) ?? ''
  t.match(await readJson(dir, 'ann', aside), { document: 'other' })
  t.match(await readJson(dir, 'ann', 'abc.json'), { document: 'abc' })
})

for (const [what, damage] of [
  ['a torn record', '{"document":"abc","perc'],
  ['an empty record', ''],
  ['binary junk', '\0\x01\xff'],
  ['an array', '[1]'],
  ['a list for progress', '{"document":"abc","percentage":1,"progress":[5]}'],
  ['an object for a percentage', '{"document":"abc","percentage":{},"progress":"5"}'],
  ['a percentage that is no number', '{"document":"abc","percentage":"half","progress":"5"}'],
  ['a record without a document', '{"percentage":1,"progress":"5"}'],
] as const) {
  t.test(`${what} is set aside, and the newest good history line is served`, async (t) => {
    const pass = runAhead(t)
    const { dir, store, damage: reported } = await openWithAnn(t)
    await put(store, 'ann', { ...pushed, progress: '1' })
    await put(store, 'ann', { ...pushed, progress: '2' })
    await writeFile(join(dir, 'ann', 'abc.json'), damage)
    await utimes(join(dir, 'ann', 'abc.json'), 1000, 1000)
    await writeFile(join(dir, 'ann', 'history', 'abc.jsonl'), '{"document":"abc","torn', { flag: 'a' })
    pass(1000)
    t.match(await byName(store).getProgress('ann', 'abc'), { progress: '2' })
    t.equal(reported.length, 1)
    const names = await readdir(join(dir, 'ann'))
    t.equal(names.filter((name) => /^abc\.json\.corrupt-\d+$/.test(name)).length, 1)
    t.match(await readJson(dir, 'ann', 'abc.json'), { progress: '2' })
    await put(store, 'ann', { ...pushed, progress: '3' })
    t.same(
      (await byName(store).listHistory('ann', 'abc')).map(({ progress }) => progress),
      ['1', '2', '3'],
    )
  })
}

t.test('a record that somebody is just writing is left alone for two seconds', async (t) => {
  const pass = runAhead(t)
  let now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
  const { dir, store } = await openWithAnn(t)
  await put(store, 'ann', { ...pushed, progress: '1' })
  const path = join(dir, 'ann', 'abc.json')
  const write = async (text: string): Promise<Progress | undefined> => {
    await writeFile(path, text)
    await utimes(path, now / 1000, now / 1000)
    pass(1000)
    return await byName(store).getProgress('ann', 'abc')
  }
  t.match(await write(''), { progress: '1' })
  t.match(await write('{"document":"abc","progress":"'), { progress: '1' })
  t.match(await write(JSON.stringify({ ...pushed, progress: 'edited' })), { progress: 'edited' })
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json', 'history'])
  t.match(await write('{'), { progress: '1' })
  now += 2000
  pass(1000)
  t.match(await byName(store).getProgress('ann', 'abc'), { progress: '1' })
  t.match((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', /^abc\.json\.corrupt-/, 'auth.json', 'history'])
})

t.test('a damaged record that is replaced before it is set aside is read anew', async (t) => {
  const dir = t.testdir({ 'abc.json': '{' })
  const path = join(dir, 'abc.json')
  await utimes(path, 1000, 1000)
  const stats = await stat(path)
  const onDamage = (error: unknown): void => void t.match(error, { code: 'DAMAGED_FILE' })
  await writeFile(path, JSON.stringify(pushed))
  t.match(await readRecord('{', stats, path, onDamage), { record: pushed })
  t.same(await readdir(dir), ['abc.json'])
  await rm(path)
  t.equal(await readRecord('{', stats, path, onDamage), undefined)
})

t.test('a folder that became a link to itself does not stop the start, though the log names it', async (t) => {
  const { dir, store } = await openWithAnn(t)
  await store.createUser({ username: 'bob', key: 'K' })
  for (const username of ['ann', 'bob']) await byName(store).putProgress(username, pushed)
  const copy = join(t.testdirName, '..', 'copy')
  t.teardown(() => rm(copy, { recursive: true }))
  await cp(dir, copy, { recursive: true, filter: (path) => !path.includes('.lock') })
  await rm(join(copy, 'ann'), { recursive: true })
  await symlink('ann', join(copy, 'ann'))
  const next = await open(t, copy)
  t.match(await byName(next.store).getProgress('bob', 'abc'), pushed)
  t.match(next.damage, [{ message: /is a symbolic link/ }])
})

t.test('a folder in place of a record is set aside too', async (t) => {
  const { dir, store } = await openWithAnn(t)
  await mkdir(join(dir, 'ann', 'abc.json'))
  t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
  t.match(await put(store, 'ann', pushed), pushed)
  t.match(await readJson(dir, 'ann', 'abc.json'), pushed)
})

t.test('damage that can not be set aside is reported, and history is served all the same', async (t) => {
  // An old raw name, so long that no suffix fits.
  const document = 'X'.repeat(240)
  const dir = t.testdir({
    ann: {
      'auth.json': JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K' }),
      [`${document}.json`]: '{',
      history: { [`${document}.jsonl`]: `${JSON.stringify({ ...pushed, document })}\n` },
    },
  })
  await utimes(join(dir, 'ann', `${document}.json`), 1000, 1000)
  const { store, damage } = await open(t, dir)
  t.match(await byName(store).getProgress('ann', document), { ...pushed, document })
  t.match(damage, [{ code: 'DAMAGED_FILE' }, { code: 'ENAMETOOLONG' }])
})

t.test('files that begin with a byte order mark are read', async (t) => {
  const bom = '\uFEFF'
  const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K' })
  const text = bom + JSON.stringify(pushed)
  const dir = t.testdir({ ann: { 'auth.json': bom + auth, 'abc.json': text, history: { 'abc.jsonl': text } } })
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)) })
  t.teardown(() => store.close())
  t.match(await store.getUser('ann'), { key: 'K' })
  t.match(await byName(store).getProgress('ann', 'abc'), pushed)
  t.match(await byName(store).listHistory('ann', 'abc'), [pushed])
})

for (const [what, auth] of [
  ['a torn credential', '{"x-auth-user":"ann","x-au'],
  ['an empty credential', ''],
  ['an array for a key', '{"x-auth-user":"ann","x-auth-key":["K"]}'],
  ['an empty key', '{"x-auth-user":"ann","x-auth-key":""}'],
  ['no user', '{"x-auth-key":"K"}'],
] as const) {
  t.test(`${what} is an error, not an absent user, and the name stays taken`, async (t) => {
    const pass = runAhead(t)
    const { dir, store } = await openWithAnn(t)
    await writeFile(join(dir, 'ann', 'auth.json'), auth)
    pass(1000)
    await t.rejects((async () => store.getUser('ann'))(), { code: 'DAMAGED_FILE' })
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), false)
    t.same(await usernamesOf(store), [])
    t.equal(await readFile(join(dir, 'ann', 'auth.json'), 'utf8'), auth)
  })
}

t.test('a folder with files but no credential can not be registered', async (t) => {
  const dir = t.testdir({ ann: { 'abc.json': '{}' }, bob: 'a file' })
  const { store } = await open(t, dir)
  t.equal(await store.createUser({ username: 'ann', key: 'K' }), false)
  t.equal(await store.createUser({ username: 'bob', key: 'K' }), false)
  t.same((await readdir(dir)).toSorted(), ['ann', 'bob'])
})

t.test('what can not be written is still served, and no more is taken until it can', async (t) => {
  const { dir, store, damage } = await openWithAnn(t)
  const history = join(dir, 'ann', 'history', 'abc.jsonl')
  await mkdir(history, { recursive: true })
  await put(store, 'ann', pushed)
  t.match(await byName(store).getProgress('ann', 'abc'), pushed)
  await t.rejects(byName(store).putProgress('ann', { ...pushed, progress: '57' }), { code: 'EISDIR' })
  t.match(await byName(store).putProgress('ann', { ...pushed, document: 'other' }), { document: 'other' })
  t.equal(await store.admin.flush(), false)
  t.match(damage, [{ code: 'EISDIR' }], 'told once')
  t.equal(await byName(store).getProgress('ann', 'abc'), await byName(store).getProgress('ann', 'abc'))
  await rm(history, { recursive: true })
  // It is tried again by itself.
  await until(async () => (await readdir(join(dir, 'ann'))).includes('abc.json'))
  await store.admin.flush()
  t.match(await readJson(dir, 'ann', 'abc.json'), pushed)
  t.match(await put(store, 'ann', { ...pushed, progress: '58' }), { progress: '58' })
  t.match(await byName(store).listHistory('ann', 'abc'), [{ progress: '56' }, { progress: '58' }])
})

t.test('a link in the place of a file is an error, never an absent user or record', async (t) => {
  const pass = runAhead(t)
  const { dir, store } = await openWithAnn(t)
  await put(store, 'ann', pushed)
  await rm(join(dir, 'ann', 'abc.json'))
  await symlink('abc.json', join(dir, 'ann', 'abc.json'))
  pass(1000)
  await t.rejects((async () => byName(store).getProgress('ann', 'abc'))(), { code: 'DAMAGED_FILE' })
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'DAMAGED_FILE' })
  await mkdir(join(dir, 'bob'))
  await symlink('auth.json', join(dir, 'bob', 'auth.json'))
  await t.rejects((async () => store.getUser('bob'))(), { code: 'DAMAGED_FILE' })
  t.equal(await store.createUser({ username: 'bob', key: 'K' }), false, 'the name is taken')
})

t.test('a state directory that is gone is an error: nobody is created, nobody is unknown', async (t) => {
  const pass = runAhead(t)
  const { dir, store } = await openWithAnn(t)
  await rm(dir, { recursive: true })
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'FOLDER_REPLACED' })
  pass(1000)
  await t.rejects((async () => store.getUser('ann'))(), { code: 'ENOENT' })
  await t.rejects(store.createUser({ username: 'bob', key: 'K' }), { code: 'FOLDER_REPLACED' })
  // The empty folder that a disk leaves behind when it is taken out.
  await mkdir(dir)
  await t.rejects((async () => store.getUser('ann'))(), { code: 'FOLDER_REPLACED' })
})

t.test('a user is known as soon as a state directory that was away is back', async (t) => {
  const auth = JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': 'K' })
  const dir = join(t.testdir({ state: { ann: { 'auth.json': auth } } }), 'state')
  const store = await FileStore.open({ dir, history: true, onDamage: () => undefined })
  t.teardown(() => store.close())
  await rename(dir, `${dir}-away`)
  await t.rejects((async () => store.getUser('ann'))(), { code: 'ENOENT' })
  await rename(`${dir}-away`, dir)
  t.match(await store.getUser('ann'), { key: 'K' })
})

t.test('a link in place of the history is not followed', async (t) => {
  const { dir, store, damage } = await openWithAnn(t)
  await mkdir(join(dir, 'ann', 'history'))
  await symlink(join(dir, 'ann', 'auth.json'), join(dir, 'ann', 'history', 'abc.jsonl'))
  await put(store, 'ann', pushed)
  t.match(damage, [{ code: 'DAMAGED_FILE' }])
  t.match(await readJson(dir, 'ann', 'auth.json'), { 'x-auth-key': 'K' })
})

t.test('a folder that is removed by hand does not come back with a push', async (t) => {
  const pass = runAhead(t)
  const { dir, store, damage } = await openWithAnn(t)
  await store.getUser('ann')
  await rm(join(dir, 'ann'), { recursive: true })
  await put(store, 'ann', pushed)
  t.same((await readdir(dir)).toSorted(), ['.format', '.wal'])
  pass(1000)
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'STALE_ACCOUNT', isGone: true })
  t.same(damage, [])
})

t.test('a history that leads nowhere is told, and its pushes wait until it can be written', async (t) => {
  const { dir, store, damage } = await openWithAnn(t)
  const history = join(dir, 'ann', 'history')
  await symlink(join(dir, 'not-mounted'), history)
  await put(store, 'ann', pushed)
  t.match(await byName(store).getProgress('ann', 'abc'), pushed)
  t.equal(damage.length, 1)
  await rm(history)
  t.equal(await store.admin.flush(), true)
  t.match(await byName(store).listHistory('ann', 'abc'), [pushed])
})

t.test('a user who is removed by hand just now can not be deleted any more', async (t) => {
  const { dir, store } = await openWithAnn(t)
  await rm(join(dir, 'ann'), { recursive: true })
  await t.rejects(byName(store).deleteUser('ann'), { code: 'STALE_ACCOUNT', isGone: true })
})

const oldAuth = { 'x-auth-user': 'ann', 'x-auth-key': 'K' }

t.test('the account of an auth.json without an id gets one, which is stored at the next write', async (t) => {
  const pass = runAhead(t)
  const { dir, store } = await open(t, t.testdir({ ann: { 'auth.json': JSON.stringify(oldAuth) } }))
  const { account, unsaved } = (await store.getUser('ann'))!
  t.equal(unsaved, true)
  t.match(account.id, /^[0-9a-f]{32}$/)
  pass(1000)
  await writeFile(join(dir, 'ann', 'auth.json'), JSON.stringify({ ...oldAuth, note: 1 }))
  t.same((await store.getUser('ann'))?.account, account, 'the same while it is kept in memory')
  await store.upgradeKey(account, 'K', 'hash')
  t.match(await readJson(dir, 'ann', 'auth.json'), { id: account.id, generation: 1, note: 1 })
  const { store: next } = await open(t, dir)
  const user = (await next.getUser('ann'))!
  t.same(user.account, account)
  t.notOk(user.unsaved)
})

t.test('a key that is changed by hand is a new generation, each time', async (t) => {
  const pass = runAhead(t)
  const { dir, store } = await openWithAnn(t)
  const path = join(dir, 'ann', 'auth.json')
  const before = await accountOf(store, 'ann')
  for (const generation of [2, 3]) {
    await writeFile(
      path,
      JSON.stringify({ ...(await readJson(dir, 'ann', 'auth.json')), 'x-auth-key': `${generation}` }),
    )
    // Both edits may fall into one tick of the file system's clock.
    await utimes(path, generation, generation)
    pass(1000)
    t.same(await accountOf(store, 'ann'), { ...before, generation })
  }
  await t.rejects(store.putProgress(before, pushed), { code: 'STALE_ACCOUNT', isGone: false })
  t.same((await store.getUser('ann'))?.key, '3')
})

for (const [change, generation] of [
  [{ generation: 7 }, 8],
  [{ generation: 'x' }, 1],
  [{ id: 'another' }, 2],
] as const) {
  t.test(
    `an auth.json with a key of somebody else's and ${JSON.stringify(change)} is generation ${generation}`,
    async (t) => {
      const { dir, store } = await openWithAnn(t)
      const auth = await readJson(dir, 'ann', 'auth.json')
      await store.close()
      await writeFile(join(dir, 'ann', 'auth.json'), JSON.stringify({ ...auth, 'x-auth-key': 'L', ...change }))
      const { store: next } = await open(t, dir)
      const account = await accountOf(next, 'ann')
      t.equal(account.generation, generation)
      t.equal(account.id, 'id' in change ? 'another' : auth['id'])
    },
  )
}

t.test('temps of a crash are removed, those of now are not', async (t) => {
  const dir = t.testdir({
    '.tmp-old': { 'auth.json': '{}' },
    '.lock-x': '',
    '.tmp-new': '',
    '.backups': { '.tmp-old': '' },
    ann: { 'auth.json': '{}' },
  })
  const old = new Date(Date.now() - 60_000)
  await utimes(join(dir, '.tmp-old'), old, old)
  await utimes(join(dir, '.backups', '.tmp-old'), old, old)
  await removeTemps(dir, Date.now() - 30_000)
  t.same((await readdir(dir, { recursive: true })).toSorted(), [
    '.backups',
    '.lock-x',
    '.tmp-new',
    'ann',
    'ann/auth.json',
  ])
})

t.test('temps of a crash are removed from the folders that its log names', async (t) => {
  const [dir, crashed] = ['live', 'crashed'].map((name) => join(t.testdirName, name)) as [string, string]
  t.testdir({ live: {} })
  const { store } = await open(t, dir)
  await store.createUser({ username: 'ann', key: 'K' })
  await byName(store).putProgress('ann', pushed)
  await cp(dir, crashed, { recursive: true })
  await mkdir(join(crashed, 'ann', 'history'), { recursive: true })
  for (const temp of ['ann/.tmp-old', 'ann/history/.tmp-old']) await writeFile(join(crashed, temp), '')
  const { store: next } = await open(t, crashed)
  t.match(await byName(next).getProgress('ann', 'abc'), pushed)
  t.notOk((await readdir(crashed, { recursive: true })).some((name) => name.includes('.tmp-')))
})

t.test('what was pushed before a flush is in its files after it, while pushes go on', async (t) => {
  const dir = t.testdir({})
  const damage: unknown[] = []
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => damage.push(error) })
  await store.createUser({ username: 'ann', key: 'K' })
  const over = new AbortController()
  let acknowledged = 0
  const pushing = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      await byName(store).putProgress('ann', { ...pushed, progress: `${acknowledged + 1}` })
      acknowledged += 1
    }
  })()
  for (let round = 0; round < 10; round++) {
    const before = acknowledged
    t.equal(await store.admin.flush(), true)
    const { progress } = JSON.parse(await readFile(join(dir, 'ann', 'abc.json'), 'utf8').catch(() => '{"progress":0}'))
    t.ok(Number(progress) >= before)
  }
  over.abort()
  await pushing
  await store.close()
  t.same(damage, [])
})
