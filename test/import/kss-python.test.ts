import { execFileSync } from 'node:child_process'
import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readKssPython } from '../../src/import/kss-python.ts'
import { pushRecord } from '../store/file-store/wal/log-lines.ts'
import { segment } from '../store/file-store/wal/log-lines.ts'
import { SourceError } from '../../src/import/source.ts'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { collect } from './collect.ts'
import { byName } from '../store/by-name.ts'

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const record = {
  document: 'abc',
  percentage: 0.5,
  progress: '56',
  device: 'kpw',
  device_id: 'D1',
  timestamp: 1_700_000_000,
}
const onWindows = process.platform === 'win32' && 'Windows has neither these names nor these files'

type Tree = { [name: string]: Tree | string | ReturnType<Test['fixture']> }

function toAuth(username: string, more: object = {}): string {
  return JSON.stringify({ 'x-auth-user': username, 'x-auth-key': key, ...more })
}

/** A state folder with ann, who has the record, and what else is given. */
function make(t: Test, more: Tree = {}): string {
  return t.testdir({ ann: { 'auth.json': toAuth('ann'), 'abc.json': JSON.stringify(record) }, ...more })
}

const ann = { username: 'ann', key, documents: [{ rows: [record] }] }

t.test('reads users, their keys and their documents', async (t) => {
  const dir = make(t, { Bob: { 'auth.json': toAuth('Bob') }, 'kss.log': 'started', 'kss.json': '{}' })
  t.strictSame(await collect(readKssPython(dir)), {
    users: [{ username: 'Bob', key, documents: [] }, ann],
    problems: [],
  })
})

for (const [what, written, expected] of [
  ['a percentage as a string', { percentage: '0.25' }, { percentage: 0.25 }],
  ['a null percentage', { percentage: null }, { percentage: 0 }],
  ['a null device', { device: null }, { device: '' }],
  ['a time in milliseconds', { timestamp: 1_700_000_000_999 }, { timestamp: 1_700_000_000 }],
  ['a field that kss does not know', { note: 'mine' }, { note: 'mine' }],
  ['a page number', { progress: 57 }, { progress: '57' }],
  ['no time: that of the file', { timestamp: undefined }, { timestamp: 1234 }],
] as const) {
  t.test(`reads ${what}`, async (t) => {
    const dir = make(t, { bob: { 'auth.json': toAuth('bob'), 'abc.json': JSON.stringify({ ...record, ...written }) } })
    await utimes(join(dir, 'bob/abc.json'), 5, 1234.5)
    const { users, problems } = await collect(readKssPython(dir))
    t.strictSame(problems, [])
    t.strictSame(users[1]?.documents, [{ rows: [{ ...record, ...expected }] }])
  })
}

t.test('reads what this kss wrote, whatever the names', async (t) => {
  const dir = t.testdir({})
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.error(error) })
  const names = ['ann', 'Bob', 'auth', '../x', 'a/b', 'é', '.', 'x'.repeat(255), '__proto__']
  for (const username of names) {
    await store.createUser({ username, key })
    for (const document of names) {
      await byName(store).putProgress(username, { ...record, document })
      await byName(store).putProgress(username, { ...record, document, progress: '57', timestamp: 1_700_000_100 })
    }
  }
  await store.close()
  const { users, problems } = await collect(readKssPython(dir))
  t.strictSame(problems, [])
  t.strictSame(new Set(users.map(({ username }) => username)), new Set(names))
  for (const { documents } of users) {
    t.strictSame(new Set(documents.map(({ rows }) => rows[0]?.document)), new Set(names))
    for (const { rows } of documents)
      t.strictSame(
        rows.map(({ progress }) => progress),
        ['56', '57', '57'],
      )
  }
})

t.test('tells when the newest pushes are not in the files yet', async (t) => {
  const { users, problems } = await collect(readKssPython(make(t, { '.journal': { '1': '', '2': 'a push' } })))
  t.strictSame(users, [ann])
  t.match(problems, [/: the newest pushes are only in the log yet\. Start and stop kss there, then come again\.$/])
})

t.test('tells when the newest pushes are only in the write-ahead log', async (t) => {
  const push = pushRecord('ann/abc.json', '{}', true)
  const { problems } = await collect(readKssPython(make(t, { '.wal': { '0000000001.log': segment(1, push) } })))
  t.match(problems, [/: the newest pushes are only in the log yet\. /])
})

t.test('does not mind a log without records, or whose segments just went', async (t) => {
  const gone = t.fixture('symlink', 'nowhere')
  const segments = { '0000000001.log': '\0'.repeat(5000), '0000000002.log': segment(1, 'x\n'), '0000000003.log': gone }
  t.strictSame(await collect(readKssPython(make(t, { '.wal': segments }))), { users: [ann], problems: [] })
})

t.test('does not mind a journal that is empty, or whose files just went', async (t) => {
  const gone = t.fixture('symlink', 'nowhere')
  const dir = make(t, { '.journal': { '1': '', '2': gone } })
  t.strictSame(await collect(readKssPython(dir)), { users: [ann], problems: [] })
})

t.test('passes over what kss was writing when it crashed', async (t) => {
  const dir = make(t, { '.tmp-1': { 'auth.json': toAuth('bob') } })
  await writeFile(join(dir, 'ann/.tmp-2.json'), '{"docu')
  t.strictSame(await collect(readKssPython(dir)), { users: [ann], problems: [] })
})

t.test(
  'passes over what kss keeps beside the accounts, but not over an account whose name begins with a dot',
  async (t) => {
    const dir = make(t, {
      '.console': { 'operators.json': '{}' },
      '.backups': {},
      '.bob': { 'auth.json': toAuth('.bob') },
    })
    const { users, problems } = await collect(readKssPython(dir))
    t.strictSame(problems, [])
    t.strictSame(users.map(({ username }) => username).toSorted(), ['.bob', 'ann'])
  },
)

t.test('brings what an earlier push told of the book, though the newest row does not', async (t) => {
  const told = { ...record, metadata: { title: 'Dune' }, note: 'mine' }
  const history = { 'abc.jsonl': `${JSON.stringify({ ...record, progress: '55' })}\n${JSON.stringify(record)}\n` }
  const dir = make(t, { bob: { 'auth.json': toAuth('bob'), 'abc.json': JSON.stringify(told), history } })
  const { users } = await collect(readKssPython(dir))
  t.strictSame(users[1]?.documents[0]?.rows.at(-1), told)
})

t.test('brings the hash of a key, and the name that an operator gave a document', async (t) => {
  const hash = '$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g'
  const titled = { ...record, title: 'Dune' }
  const history = { 'abc.jsonl': `${JSON.stringify({ ...record, title: 'Dun' })}\n` }
  const auth = toAuth('bob', { 'x-auth-key': hash })
  const dir = make(t, { bob: { 'auth.json': auth, 'abc.json': JSON.stringify(titled), history } })
  const { users } = await collect(readKssPython(dir))
  t.equal(users[1]?.key, hash)
  t.equal(users[1]?.documents[0]?.title, 'Dune')
})

t.test('takes a history row without a time for the oldest', async (t) => {
  const { timestamp: _none, ...row } = record
  const history = { 'abc.jsonl': `${JSON.stringify(row)}\n\n${JSON.stringify(record)}` }
  const { users, problems } = await collect(readKssPython(make(t, { bob: { 'auth.json': toAuth('bob'), history } })))
  t.strictSame(problems, [])
  t.strictSame(users[1]?.documents, [{ rows: [{ ...row, timestamp: 0 }, record] }])
})

t.test('follows a user whom kss was renaming', async (t) => {
  const auth = toAuth('old', { 'x-auth-user-next': 'new' })
  const { users } = await collect(readKssPython(make(t, { new: { 'auth.json': auth } })))
  t.equal(users[1]?.username, 'new')
  const { users: before } = await collect(readKssPython(make(t, { old: { 'auth.json': auth } })))
  t.equal(before[1]?.username, 'old')
})

t.test('believes the name inside a file', async (t) => {
  const dir = make(t, { bob: { 'auth.json': toAuth('bob'), 'copy of %zz.json': JSON.stringify(record) } })
  const { users, problems } = await collect(readKssPython(dir))
  t.strictSame(problems, [])
  t.strictSame(users[1]?.documents, [{ rows: [record] }])
})

// adammillerio/kss, kss.py, push(): path.parent.mkdir(parents=True), whatever the document.
t.test('reads documents with a slash, which Python kss keeps in folders', async (t) => {
  const records = ['a/b', 'a/c/d', 'history/e'].map((document) => ({ ...record, document }))
  const [first, second, third] = records.map((each) => JSON.stringify(each))
  const folders = { a: { 'b.json': first!, c: { 'd.json': second! } }, history: { 'e.json': third! } }
  const { users, problems } = await collect(readKssPython(make(t, { bob: { 'auth.json': toAuth('bob'), ...folders } })))
  t.strictSame(problems, [])
  t.strictSame(
    users[1]?.documents,
    records.map((each) => ({ rows: [each] })),
  )
})

t.test('takes nothing for a user that somebody else could have put below the folder', async (t) => {
  const below = {
    // The user bob/eve registered, and pushed abc.
    eve: { 'auth.json': toAuth('bob/eve'), 'abc.json': JSON.stringify(record) },
    // The user eve pushed ../bob/x/abc.
    x: { 'abc.json': JSON.stringify({ ...record, document: '../bob/x/abc' }), 'def.json': JSON.stringify(record) },
  }
  const { users, problems } = await collect(readKssPython(make(t, { bob: { 'auth.json': toAuth('bob'), ...below } })))
  t.strictSame(users[1]?.documents, [])
  t.strictSame(problems, [
    '"bob/eve": is the folder of another user',
    '"bob/x/abc.json": holds the document "../bob/x/abc", which has no place there',
    '"bob/x/def.json": holds the document "abc", which has no place there',
  ])
})

t.test('finds a name that the file system normalised', async (t) => {
  const decomposed = 'e\u0301'
  const { users } = await collect(readKssPython(make(t, { [decomposed]: { 'auth.json': toAuth('é') } })))
  t.equal(users[1]?.username, 'é')
})

for (const [what, folder, problem] of [
  ['no auth.json', { 'abc.json': JSON.stringify(record) }, '"bob": has no auth.json'],
  ['an auth.json that is none', { 'auth.json': '{"x-auth' }, '"bob/auth.json": is not JSON'],
  ['an auth.json that is a folder', { 'auth.json': {} }, '"bob/auth.json": is not a file'],
  [
    'an auth.json without a user',
    { 'auth.json': '{}' },
    '"bob/auth.json": its x-auth-user is not whose folder it is in',
  ],
  [
    "another's auth.json",
    { 'auth.json': toAuth('ann') },
    '"bob/auth.json": its x-auth-user is not whose folder it is in',
  ],
  [
    'a way out in auth.json',
    { 'auth.json': toAuth('../bob') },
    '"bob/auth.json": its x-auth-user is not whose folder it is in',
  ],
] as const) {
  t.test(`tells of a folder with ${what}, and brings the others`, async (t) => {
    t.strictSame(await collect(readKssPython(make(t, { bob: folder }))), { users: [ann], problems: [problem] })
  })
}

/** Python kss keeps all that a client sends. */
const deep = JSON.stringify(record).replace('}', `,"note":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)

for (const [what, file, data, problem] of [
  ['is not JSON', 'def.json', '{"docu', 'is not JSON'],
  ['has no progress', 'def.json', { ...record, progress: null }, 'has no progress'],
  ['is too deep to be written again', 'def.json', deep, 'is nested too deeply'],
  [
    'is larger than a reader sends',
    'def.json',
    { ...record, note: 'x'.repeat(65_536) },
    'is larger than any position of a reader',
  ],
  ['has no document', 'def.json', { ...record, document: 5 }, 'has no document'],
  ['has a colon in its document', 'def.json', { ...record, document: 'd:f' }, 'kss takes no document "d:f"'],
  ...['auth', 'History', '../ann/abc', '..', String.raw`..\x`, 'a\0', ''].map(
    (document) =>
      [
        `says it is ${JSON.stringify(document)}`,
        'def.json',
        { ...record, document },
        `holds the document ${document === 'a\0' ? String.raw`"a\u0000"` : JSON.stringify(document)}, which has no place there`,
      ] as const,
  ),
] as const) {
  t.test(`tells of a record that ${what}, and brings the others`, async (t) => {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    const dir = make(t, { bob: { 'auth.json': toAuth('bob'), 'abc.json': JSON.stringify(record), [file]: text } })
    const { users, problems } = await collect(readKssPython(dir))
    t.strictSame(problems, [`"bob/${file}": ${problem}`])
    t.strictSame(users[1]?.documents, [{ rows: [record] }])
  })
}

t.test('tells of a torn line of a history, and brings the others', async (t) => {
  const history = { 'abc.jsonl': `${JSON.stringify(record)}\n{"docu`, 'notes.txt': 'x' }
  const { users, problems } = await collect(readKssPython(make(t, { bob: { 'auth.json': toAuth('bob'), history } })))
  t.strictSame(problems, ['"bob/history/abc.jsonl", line 2: is not JSON'])
  t.strictSame(users[1]?.documents, [{ rows: [record] }])
})

t.test('tells of a history that is no folder', async (t) => {
  const { users, problems } = await collect(
    readKssPython(make(t, { bob: { 'auth.json': toAuth('bob'), history: '' } })),
  )
  t.strictSame(problems, ['"bob/history": cannot be read (ENOTDIR)'])
  t.equal(users.length, 2)
})

t.test('tells of a second folder of the same user', async (t) => {
  const dir = make(t, { '%61nn': { 'auth.json': toAuth('ann', { 'x-auth-key': 'another' }) } })
  const { users, problems } = await collect(readKssPython(dir))
  t.strictSame(users, [{ username: 'ann', key: 'another', documents: [] }])
  t.strictSame(problems, ['"ann": another folder is that of "ann" too'])
})

t.test('lets no folder that a push made pass for that of a user', async (t) => {
  const planted = toAuth('ann', { ...record, document: '../%61nn/auth', 'x-auth-key': 'stranger' })
  const { users, problems } = await collect(readKssPython(make(t, { '%61nn': { 'auth.json': planted } })))
  t.strictSame(users, [ann])
  t.strictSame(problems, ['"%61nn/auth.json": its x-auth-user is not whose folder it is in'])
})

t.test('keeps a key out that a stranger may have pushed, and that of a locked user', async (t) => {
  for (const [more, problem] of [
    [{ ...record, document: '../bob/auth' }, "a push has replaced it, so its x-auth-key may be a stranger's"],
    [{ disabled: true }, 'the user is locked, so the x-auth-key must not let them in'],
  ] as const) {
    const bob = { 'auth.json': toAuth('bob', more), 'abc.json': JSON.stringify(record) }
    const { users, problems } = await collect(readKssPython(make(t, { bob })))
    t.strictSame(problems, [`"bob/auth.json": ${problem}: the user comes without it`])
    t.strictSame(users[1], { username: 'bob', documents: [{ rows: [record] }] })
  }
})

t.test('reads through links, but none that leads out of the folder', { skip: onWindows }, async (t) => {
  const files = { 'abc.json': JSON.stringify(record) }
  const both = t.testdir({
    state: { ann: { 'auth.json': toAuth('ann'), ...files }, bob: { 'auth.json': toAuth('bob'), ...files }, file: '' },
    'state of eve': { 'auth.json': toAuth('eve'), ...files },
  })
  const dir = join(both, 'state')
  await symlink(join(both, 'state of eve'), join(dir, 'eve'))
  await symlink('file', join(dir, 'link'))
  await symlink(join(dir, 'bob'), join(dir, 'dave'))
  await symlink(join(dir, 'none'), join(dir, 'gone'))
  await symlink('abc.json', join(dir, 'bob/inside.json'))
  await symlink('../ann/abc.json', join(dir, "bob/ann's.json"))
  await symlink('nowhere', join(dir, 'bob/nowhere.json'))
  await symlink('../ann', join(dir, 'bob/history'))
  await symlink(dir, join(dir, 'ann/other.json'))
  const { users, problems } = await collect(readKssPython(dir))
  t.strictSame(users, [ann, { username: 'bob', key, documents: [{ rows: [record, record] }] }])
  t.strictSame(problems, [
    '"ann/other.json": is a link that leads out of the folder',
    '"bob/history": is a link that leads out of the folder',
    `"bob/ann's.json": is a link that leads out of the folder`,
    '"bob/nowhere.json": is gone',
    '"dave/auth.json": its x-auth-user is not whose folder it is in',
    '"eve": is a link that leads out of the folder',
    '"gone": is gone',
    '"link": cannot be read (ENOTDIR)',
  ])
})

t.test('does not wait for a pipe', { skip: onWindows }, async (t) => {
  const dir = make(t)
  execFileSync('mkfifo', [join(dir, 'ann/def.json')])
  t.strictSame(await collect(readKssPython(dir)), { users: [ann], problems: ['"ann/def.json": is not a file'] })
})

t.test('reads a folder by way of a link to it', { skip: onWindows }, async (t) => {
  const dir = make(t)
  await symlink('.', join(dir, 'link'))
  t.strictSame((await collect(readKssPython(join(dir, 'link')))).users, [ann])
})

t.test('says which folder to give', async (t) => {
  const advice = "Give the path of kss's state folder, which has an auth.json in each user's folder."
  const dir = make(t, { empty: {} })
  for (const [path, message] of [
    [join(dir, 'none'), 'is not there.'],
    [join(dir, 'ann/abc.json'), 'is not there.'],
    [join(dir, 'empty'), 'has no users.'],
    [join(dir, 'ann'), 'has no users.'],
  ] as const) {
    await t.rejects(collect(readKssPython(path)), new SourceError(`${path} ${message} ${advice}`))
  }
})

t.test('reads a hundred thousand rows of a thousand documents', async (t) => {
  const dir = make(t)
  await mkdir(join(dir, 'ann/history'))
  for (let at = 0; at < 1000; at++) {
    const text = JSON.stringify({ ...record, document: `d${at}` })
    await writeFile(join(dir, `ann/d${at}.json`), text)
    await writeFile(join(dir, `ann/history/d${at}.jsonl`), `${text}\n`.repeat(100))
  }
  t.equal((await readdir(join(dir, 'ann'))).length, 1003)
  const { users } = await collect(readKssPython(dir))
  t.equal(users[0]?.documents.length, 1001)
  t.equal(users[0]?.documents[0]?.rows.length, 101)
})
