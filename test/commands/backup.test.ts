import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import t, { type Test } from 'tap'
import type { Progress } from '../../src/kosync/protocol.ts'
import type { Registration } from '../../src/store/store.ts'
import type { FileStore } from '../../src/store/file-store/file-store.ts'
import { journalLine } from '../store/file-store/wal/journal-lines.ts'
import { hardNames, pushed } from '../store/contract.ts'
import { snapshot, writeEntries, type Entry } from './archives.ts'
import { run, runJson } from './run.ts'
import { copyOf, dune, folder, now, openStore, places, serveHere, stateFolder } from './state-fixture.ts'
import { adminByName, byName, usernamesOf } from '../store/by-name.ts'
import { launcher } from '../launcher.ts'

const at = (number: number, timestamp: number, more: Partial<Progress> = {}): Progress => ({
  ...pushed,
  progress: `${number}`,
  timestamp,
  ...more,
})

const auth = (username: string): string => JSON.stringify({ 'x-auth-user': username, 'x-auth-key': 'K' })

/** Makes a backup, and resolves to its path. */
async function backUp(t: Test, dir: string): Promise<string> {
  return (await runJson<{ path: string }>(dir, 'backup', 'create', join(await folder(t), 'kss.tar.gz'))).path
}

/** All that a store says of these users and documents. */
async function contentOf(store: FileStore, usernames: string[], documents: string[]): Promise<unknown> {
  const users = usernames.map(async (username) => {
    const user = await store.getUser(username)
    const each = documents.map(async (document) => {
      return [await byName(store).getProgress(username, document), await byName(store).listHistory(username, document)]
    })
    return [username, user?.key, user?.disabled, await Promise.all(each)]
  })
  return await Promise.all(users)
}

t.test('a restored folder has all names, histories, titles and locks, also those of Python kss', async (t) => {
  const documents = [...hardNames, dune, 'My Book']
  const made = await stateFolder(t, async (store) => {
    for (const [number, name] of hardNames.entries()) {
      await store.createUser({ username: name, key: `key of ${name}` })
      await byName(store).putProgress('ann', at(number, 1000, { document: name, metadata: { title: name } }))
      await byName(store).putProgress('ann', at(number + 1, 2000, { document: name, device_id: 'A' }))
      await byName(store).putProgress(name, at(number, 3000, { document: 'con' }))
    }
    await adminByName(store).putTitle('ann', '李', 'A title')
    await adminByName(store).setDisabled('Ann', true)
  })
  // The names in a folder that was listed are known for a second.
  const dir = await copyOf(t, made)
  await mkdir(join(dir, 'Old Friend'))
  await writeFile(join(dir, 'Old Friend', 'auth.json'), auth('Old Friend'))
  await writeFile(join(dir, 'Old Friend', 'My Book.json'), JSON.stringify(at(5, 900, { document: 'My Book' })))
  const usernames = [...hardNames, 'alice', 'Old Friend']

  const before = await openStore(dir)
  const expected = await contentOf(before, usernames, documents)
  await before.close()
  const archive = await backUp(t, dir)
  const target = join(await folder(t), 'new')
  const restored = await run(target, 'backup', 'restore', archive)
  t.match(restored, { code: 0, stderr: '' })
  t.match(restored.stdout, new RegExp(`\n${usernames.length} accounts restored\\.\n$`))
  const after = await openStore(target)
  t.same((await usernamesOf(after)).toSorted(), usernames.toSorted())
  // Python kss wrote no history: the record is its first row.
  const history = await byName(after).listHistory('Old Friend', 'My Book')
  t.same(history, [at(5, 900, { document: 'My Book' })])
  await adminByName(after).pruneHistory('Old Friend', 1, 0, 'My Book')
  const content = (await contentOf(after, usernames, documents)) as [string, ...unknown[]][]
  const withoutOld = (all: unknown): unknown => (all as [string][]).filter(([name]) => name !== 'Old Friend')
  t.same(withoutOld(content), withoutOld(expected))
  await after.close()
  t.equal((await stat(archive)).mode & 0o777, 0o600)
  t.equal((await stat(target)).mode & 0o777, 0o700)
  t.notOk(
    (await readdir(target)).some((name) => name.startsWith('.tmp-')),
    'nothing is left over',
  )
})

t.test('what was pushed a moment ago is in the backup, and the backup has a manifest first', async (t) => {
  const dir = await stateFolder(t)
  const server = await serveHere(t, dir)
  const headers = { 'x-auth-user': 'alice', 'x-auth-key': (await openedKey(dir)) ?? '' }
  const body = JSON.stringify({ document: 'new', percentage: 0.5, progress: '7', device: 'Kobo' })
  t.equal((await fetch(`${server.url}/syncs/progress`, { method: 'PUT', headers, body })).status, 200)
  const archive = await backUp(t, dir)
  const entries = await unpackTar(gunzipSync(await readFile(archive)))
  const names = entries.map(({ header }) => header.name)
  t.equal(names[0], 'kss-backup.json')
  t.match(JSON.parse(String(Buffer.from(entries[0]?.data ?? []))), { format: 1, created: /^\d{4}-.*Z$/ })
  t.same(
    names.slice(1).toSorted(),
    [
      `alice/${dune}.json`,
      'alice/auth.json',
      `alice/history/${dune}.jsonl`,
      'alice/history/new.jsonl',
      'alice/new.json',
    ].toSorted(),
  )
  t.ok(entries.every(({ header }) => header.mode === 0o600))
})

async function openedKey(dir: string): Promise<string | undefined> {
  const text = await readFile(join(dir, 'alice', 'auth.json'), 'utf8')
  return (JSON.parse(text) as Record<string, string>)['x-auth-key']
}

t.test(
  'a merge keeps accounts and titles, lets the newest position win, and adds the rest to the history',
  async (t) => {
    const here = await stateFolder(t, async (store) => {
      await byName(store).putProgress('alice', at(2, 2000))
      await byName(store).putProgress('alice', at(9, 9000, { document: 'newer here' }))
    })
    const other = await copyOf(t, here)
    const store = await openStore(other)
    await byName(store).setKey('alice', 'another key')
    await byName(store).putProgress('alice', at(3, 3000))
    await byName(store).putProgress('alice', at(10, 10_000, { document: 'only there' }))
    await adminByName(store).putTitle('alice', dune, 'another title')
    await store.createUser({ username: 'bob', key: 'B', disabled: true })
    await store.close()
    const archive = await backUp(t, other)
    const local = await openStore(here)
    const key = (await local.getUser('alice'))?.key
    await byName(local).putProgress('alice', at(4, 4000, { document: 'newer here', progress: 'x' }))
    await local.close()

    for (const [latest, rows] of [
      ['2', '2'],
      ['0', '0'],
    ] as const) {
      const { code, stdout } = await run(here, 'backup', 'restore', '--merge', archive)
      t.equal(code, 0)
      t.match(stdout, /^NAME +ACCOUNT +DOCUMENTS +NEWER THAN HERE +CHANGES ADDED$/m)
      t.match(stdout, new RegExp(`^alice +was there +4 +${latest} +${rows}$`, 'm'))
      t.match(stdout, new RegExp(`^bob +${latest === '2' ? 'new' : 'was there'} +0 +0 +0$`, 'm'))
      t.match(stdout, /\n2 accounts restored\.\n$/)
    }
    const merged = await openStore(here)
    t.match(await merged.getUser('alice'), { key })
    t.match(await merged.getUser('bob'), { key: 'B', disabled: true })
    t.match(await byName(merged).getProgress('alice', dune), { title: 'Dune', percentage: 0.03 })
    t.same(await byName(merged).listHistory('alice', dune), places)
    t.match(await byName(merged).getProgress('alice', 'abc'), { progress: '3' })
    t.match(await byName(merged).getProgress('alice', 'only there'), { progress: '10' })
    t.match(await byName(merged).getProgress('alice', 'newer here'), { progress: 'x' })
    await merged.close()
  },
)

t.test('a folder with accounts takes no backup without --merge, also of a running server', async (t) => {
  const dir = await stateFolder(t)
  const archive = await backUp(t, dir)
  const message = `The folder ${dir} has accounts. Pass --merge to add to them, or an empty folder with --dir.\n`
  t.match(await run(dir, 'backup', 'restore', archive), { code: 1, stderr: message })
  const server = await serveHere(t, dir)
  t.match(await run(dir, 'backup', 'restore', archive), { code: 1, stderr: message })
  t.match(await run(dir, 'backup', 'restore', '--merge', archive), { code: 0 })
  await server.close()
})

t.test('an archive of tar of the folder of a server that was killed has what is only in the journal', async (t) => {
  const dir = await folder(t)
  const store = await openStore(dir)
  await store.createUser({ username: 'ann', key: 'K' })
  for (let number = 1; number <= 20; number++) await byName(store).putProgress('ann', at(number, 1000))
  const archive = join(await folder(t), 'plain.tgz')
  execFileSync('tar', ['-czf', archive, '--exclude=.lock*', '-C', dir, '.'])
  await store.close()
  const target = await folder(t)
  t.match(await run(target, 'backup', 'restore', archive), { code: 0, stderr: '' })
  const restored = await openStore(target)
  t.match(await byName(restored).getProgress('ann', 'abc'), { progress: '20' })
  const numbers = (await byName(restored).listHistory('ann', 'abc')).map(({ progress }) => progress)
  t.same(
    numbers,
    Array.from({ length: 20 }, (_, index) => `${index + 1}`),
  )
  await restored.close()
})

const manifest = (format: unknown): Entry => ['kss-backup.json', JSON.stringify({ format, created: 'then' })]
const ann: Entry = ['ann/auth.json', auth('ann')]
const place: Entry = ['ann/abc.json', JSON.stringify(pushed)]

t.test('what is nested too deeply to be written again is told in a line, and all else comes', async (t) => {
  const dir = await folder(t)
  const archive = join(dir, 'kss.tar.gz')
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const record = JSON.stringify({ ...pushed, document: 'deep' }).replace('}', `,"note":${deep}}`)
  await writeEntries(archive, [
    manifest(1),
    ['ann/auth.json', auth('ann').replace('}', `,"note":${deep}}`)],
    place,
    ['ann/deep.json', record],
    ['ann/history/abc.jsonl', `${JSON.stringify({ ...pushed, progress: 'x', timestamp: 1 })}\n${record}\n`],
    ['.registration.json', `{"invited":[],"note":${deep}}`],
  ])
  const target = join(dir, 'new')
  const { code, stdout, stderr } = await run(target, 'backup', 'restore', archive)
  t.same({ code, stderr }, { code: 1, stderr: 'Not restored: ann/deep.json: is nested too deeply\n' })
  t.match(stdout, /\nann +new +1 +1 +2\n1 account restored\.\n$/)
})

t.test('a push in the journal that is nested too deeply keeps nothing else from coming', async (t) => {
  const dir = await folder(t)
  const archive = join(dir, 'kss.tar.gz')
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const push = JSON.stringify({ ...pushed, document: 'deep' }).replace('}', `,"note":${deep}}`)
  const line = journalLine(`{"folder":"ann","file":"deep.json","push":${push}}`)
  await writeEntries(archive, [ann, place, ['.journal/1.log', line]])
  const { stdout } = await run(join(dir, 'new'), 'backup', 'restore', archive)
  t.match(stdout, /\nann +new +1 +1 +1\n1 account restored\.\n$/)
})

t.test('what is no backup is told, and changes nothing', async (t) => {
  const parent = await folder(t)
  const dir = join(parent, 'state')
  await mkdir(dir)
  const archive = join(parent, 'kss.tar.gz')
  await writeEntries(archive, [manifest(1), ann, place, ['ann/big.json', 'x'.repeat(1e6)]])
  const good = await readFile(archive)
  const tar = gunzipSync(good)
  const flipped = Buffer.from(good)
  flipped[good.length - 6]! ^= 0xff
  const damaged = /^Cannot restore .*: it is no gzipped tar, or it is damaged \(.+\)\. Nothing was changed\.\n$/
  const none = /^Cannot restore .*: there are no accounts in it\. Nothing was changed\.\n$/
  const cases: [string, Buffer | Entry[], RegExp][] = [
    ['an empty file', Buffer.alloc(0), damaged],
    ['a text', Buffer.from('{"x-auth-user":"ann"}'), damaged],
    ['a tar that is not compressed', tar, damaged],
    ['another thing that is compressed', gzipSync('hello'.repeat(1000)), damaged],
    ['half of one', good.subarray(0, good.length / 2), damaged],
    ['one without its end', good.subarray(0, good.length - 4), damaged],
    ['one with another checksum', flipped, damaged],
    ['half of a tar', gzipSync(tar.subarray(0, 5000)), damaged],
    [
      'a tar with a damaged header',
      gzipSync(Buffer.concat([tar.subarray(0, 1), tar.subarray(2), Buffer.of(0)])),
      damaged,
    ],
    ['a manifest that is no JSON', [['kss-backup.json', '{'], ann], damaged],
    ['a manifest of nothing', [['kss-backup.json', 'null'], ann], damaged],
    ['a newer one', [manifest(2), ann], /: a newer kss made it: install that one\. Nothing was changed\.\n$/],
    ['nothing', [], none],
    ['a manifest alone', [manifest(1)], none],
    [
      'another tar',
      [
        ['README', 'x'],
        ['a/b/c/d', 'x'],
      ],
      none,
    ],
    [
      'names that lead outside',
      [
        ['../x', 'x'],
        ['/etc/x', 'x'],
        ['ann/../../x', 'x'],
        ['ann/history/../../../x', 'x'],
      ],
      none,
    ],
    [
      'names of the journal that lead outside',
      [
        ['.journal/../../x', 'x'],
        ['.journal/../x.log', 'x'],
        ['.journal/x', 'x'],
      ],
      none,
    ],
    [
      'names with backslashes',
      [
        ['ann\\..\\..\\x', 'x'],
        ['ann/..\\..\\x', 'x'],
      ],
      none,
    ],
    [
      'hidden names',
      [
        ['.registration.json', '{}'],
        ['.format', '{"format":9}'],
        ['.x/y', 'x'],
        ['ann/.y', 'x'],
      ],
      none,
    ],
    [
      'links',
      [
        ['ann', '', { type: 'symlink', linkname: parent }],
        ['ann/l', '', { type: 'link', linkname: '../../x' }],
      ],
      none,
    ],
  ]
  const path = join(parent, 'bad.tar.gz')
  for (const [name, content, message] of cases) {
    await (Buffer.isBuffer(content) ? writeFile(path, content) : writeEntries(path, content))
    await run(dir, 'user', 'list')
    const before = await snapshot(parent)
    const ended = await run(dir, 'backup', 'restore', path)
    t.equal(ended.code, 1, name)
    t.match(ended.stderr, message, name)
    t.same(await changed(before, parent), [], name)
  }
})

/** What differs, but for the journal, which every command begins anew. */
async function changed(before: Record<string, string>, dir: string): Promise<string[]> {
  const after = await snapshot(dir)
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return paths.filter((path) => before[path] !== after[path] && !path.includes('.journal'))
}

t.test('a link among the accounts leads nowhere', async (t) => {
  const outside = await folder(t)
  const archive = join(await folder(t), 'evil.tar.gz')
  const link: Entry = ['ann', '', { type: 'symlink', linkname: outside }]
  await writeEntries(archive, [link, ann, ['ann/history', '', { type: 'symlink', linkname: outside }], place])
  const dir = await folder(t)
  t.match(await run(dir, 'backup', 'restore', archive), { code: 0 })
  t.same(await readdir(outside), [])
  t.same((await readdir(join(dir, 'ann'))).toSorted(), ['abc.json', 'auth.json'])
})

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

t.test('an absurd file in an archive is one line, and all others are restored', async (t) => {
  const long = 'x'.repeat(300)
  const withField = (levels: number): string => `${JSON.stringify(pushed).slice(0, -1)},"odd":${deep(levels)}}`
  const push = `{"folder":"ann","file":"abc.json","push":${withField(100_000)}}`
  const cases: [string, Entry[], string][] = [
    ['a deep record', [['ann/x.json', withField(100_000)]], 'ann/x.json: is nested too deeply'],
    ['a large record', [['ann/x.json', ' '.repeat(2 ** 20 + 1)]], 'ann/x.json: is too large'],
    ['a long name', [[`ann/${long}.json`, 'x']], `ann/${long}.json: cannot be a file here (ENAMETOOLONG)`],
    ['a long folder', [[`${long}/x.json`, 'x']], `${long}/x.json: cannot be a file here (ENAMETOOLONG)`],
    [
      'a name that is a file and a folder',
      [
        ['ann/history', 'x'],
        ['ann/history/abc.jsonl', 'x'],
      ],
      'ann/history/abc.jsonl: cannot be a file here (EEXIST)',
    ],
    ['a record of no document', [['ann/x.json', '{"document":"","progress":"1"}']], 'ann/x.json: has no document'],
    ['a deep push', [['.journal/0000000001.log', journalLine(push)]], '.journal'],
  ]
  for (const [name, entries, line] of cases) {
    const archive = join(await folder(t), 'odd.tar.gz')
    await writeEntries(archive, [ann, place, ...entries])
    const dir = await folder(t)
    const { code, stdout, stderr } = await run(dir, 'backup', 'restore', archive)
    t.equal(code, 1, name)
    t.ok(stderr.startsWith(`Not restored: ${line}`), `${name}: ${stderr}`)
    t.equal(stderr.indexOf('\n'), stderr.length - 1, `${name} is one line`)
    t.match(stdout, /^ann +new +1 +1 +1$/m, name)
    t.notOk((await readdir(dir)).some((left) => left.startsWith('.tmp-')))
  }
})

t.test('a record with unknown fields that are nested within reason is restored as it is', async (t) => {
  const archive = join(await folder(t), 'kss.tar.gz')
  const record = { ...pushed, odd: JSON.parse(deep(90)) as unknown }
  await writeEntries(archive, [ann, ['ann/abc.json', JSON.stringify(record)]])
  const dir = await folder(t)
  t.match(await run(dir, 'backup', 'restore', archive), { code: 0, stderr: '' })
  t.same(JSON.parse(await readFile(join(dir, 'ann', 'abc.json'), 'utf8')), record)
})

t.test('many and large documents are restored some at a time, also beside a server', async (t) => {
  const archive = join(await folder(t), 'large.tar.gz')
  const large = Array.from({ length: 3 }, (_, number): Entry => {
    const rows = Array.from({ length: 40 }, (_row, row) =>
      at(row, 1000 + row, { document: `${number}`, device: 'x'.repeat(100_000) }),
    )
    return [`ann/history/${number}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join('')]
  })
  const records = Array.from({ length: 250 }, (_, number): Entry => {
    return [`ann/${number}.json`, JSON.stringify(at(40, 2000, { document: `${number}` }))]
  })
  await writeEntries(archive, [ann, ...records, ...large])
  const dir = await folder(t)
  await serveHere(t, dir)
  t.match(await run(dir, 'backup', 'restore', archive), { code: 0, stdout: /^ann +new +250 +250 +370$/m })
  t.match(await runJson(dir, 'doc', 'show', 'ann', '2', '--all'), { history: { length: 41 } })
})

t.test('what a killed restore left is removed by the next one', async (t) => {
  const archive = await backUp(t, await stateFolder(t))
  const dir = await folder(t)
  await mkdir(join(dir, '.tmp-killed', 'alice'), { recursive: true })
  await writeFile(join(dir, '.tmp-killed', 'alice', 'auth.json'), auth('alice'))
  t.match(await run(dir, 'backup', 'restore', archive), { code: 0, stderr: '' })
  t.notOk((await readdir(dir)).includes('.tmp-killed'))

  await serveHere(t, dir)
  for (const name of ['.tmp-old', '.tmp-of-now']) await mkdir(join(dir, name))
  await utimes(join(dir, '.tmp-old'), now - 61, now - 61)
  t.match(await run(dir, 'backup', 'restore', '--merge', archive), { code: 0, stderr: '' })
  const left = (await readdir(dir)).filter((name) => name.startsWith('.tmp-'))
  t.same(left, ['.tmp-of-now'], 'beside a server it may be of somebody who works')
})

t.test('an archive that is not there is one line', async (t) => {
  const target = join(await folder(t), 'new')
  t.match(await run(target, 'backup', 'restore', '/none.tar.gz'), {
    code: 1,
    stderr: "Cannot read the backup /none.tar.gz: ENOENT: no such file or directory, access '/none.tar.gz'\n",
  })
  await t.rejects(stat(target), { code: 'ENOENT' }, 'no folder is made for it')
})

t.test('what cannot be read in an archive is told, the rest is restored, and the exit code is 1', async (t) => {
  const archive = join(await folder(t), 'part.tar.gz')
  await writeEntries(archive, [ann, place, ['bob/auth.json', '{'], ['.journal/0000000001.log', 'x\n']])
  const dir = await folder(t)
  const ended = await run(dir, 'backup', 'restore', archive)
  t.equal(ended.code, 1)
  t.match(ended.stderr, /^Not restored: bob\/auth\.json: is not JSON$/m)
  t.match(ended.stdout, /^ann +new +1 +1 +1$/m)
  t.match(await runJson(dir, 'doc', 'list', 'ann'), [pushed])
})

t.test('a damaged record in an archive is told, and the newest row of its history takes its place', async (t) => {
  const archive = join(await folder(t), 'part.tar.gz')
  const rows = [at(1, 1000), at(2, 2000)].map((row) => `${JSON.stringify(row)}\n`)
  await writeEntries(archive, [
    ann,
    ['ann/abc.json', '{'],
    ['ann/history/abc.jsonl', rows.join('')],
    ['ann/x.json', ''],
  ])
  const dir = await folder(t)
  const ended = await run(dir, 'backup', 'restore', archive)
  t.equal(ended.code, 1)
  const lines = ended.stderr.trim().split('\n').toSorted()
  t.same(lines, ['Not restored: ann/abc.json: is not JSON', 'Not restored: ann/x.json: is not JSON'])
  t.match(await runJson(dir, 'doc', 'show', 'ann', 'abc'), { progress: '2', history: [{}, { progress: '2' }] })
})

for (const [name, record, rows, expected] of [
  ['went on since', at(1, 1000), [at(1, 1000), at(2, 1000), at(3, 1001)], ['1', '2', '3']],
  ['does not have it', at(4, 1002), [at(1, 1000), at(2, 1000)], ['1', '2', '4']],
  ['ends with it', at(2, 1009), [at(1, 1000), at(2, 1000)], ['1', '2']],
  ['fell behind it, by a clock that was ahead', at(1, 9e9), [at(1, 9e9), at(2, 1000)], ['1', '2']],
  ['fell to it, by a clock that was ahead', at(2, 1000), [at(1, 9e9), at(2, 1000)], ['1', '2']],
  ['went back to it', at(1, 1005), [at(1, 1000), at(2, 1001), at(1, 1005)], ['1', '2', '1']],
] as const) {
  t.test(`a record whose history ${name} is restored as its last change`, async (t) => {
    const archive = join(await folder(t), 'one.tar.gz')
    const history = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    await writeEntries(archive, [ann, ['ann/abc.json', JSON.stringify(record)], ['ann/history/abc.jsonl', history]])
    const dir = await folder(t)
    t.match(await run(dir, 'backup', 'restore', archive), { code: 0 })
    const shown = await runJson<Progress & { history: Progress[] }>(dir, 'doc', 'show', 'ann', 'abc')
    t.same(
      shown.history.map(({ progress }) => progress),
      expected,
    )
    t.equal(shown.progress, expected.at(-1))
  })
}

t.test('a folder that is not there keeps a backup from being made, and nothing is left over', async (t) => {
  const dir = await stateFolder(t)
  const before = await snapshot(dir)
  const ended = await run(dir, 'backup', 'create', join(dir, 'none', 'kss.tar.gz'))
  t.match(ended, { code: 1, stderr: `There is no folder ${join(dir, 'none')}.\n` })
  t.same(await changed(before, dir), [])
  const missing = join(dir, 'none')
  t.match(await run(dir, 'backup', 'create', `${missing}/`), { code: 1, stderr: `There is no folder ${missing}.\n` })
  t.same(await changed(before, dir), [])
})

t.test('a backup to standard output is the same archive', async (t) => {
  const dir = await stateFolder(t)
  const path = join(await folder(t), 'kss.tar.gz')
  const bytes = execFileSync(process.execPath, [launcher, 'backup', 'create', '-', '--dir', dir])
  await writeFile(path, bytes)
  const target = await folder(t)
  t.match(await run(target, 'backup', 'restore', path), { code: 0, stdout: /\n1 account restored\.\n$/ })
  t.match(await runJson(target, 'doc', 'list', 'alice'), [{ document: dune, title: 'Dune' }])
})

t.test('backups are listed by their age, those of the data folder or of another one', async (t) => {
  const dir = await stateFolder(t)
  const nothing = 'There is no backup. kss backup create makes one.\n'
  t.match(await run(dir, 'backup', 'list'), { code: 0, stdout: nothing })
  t.match(await run(dir, 'backup', 'list', join(dir, 'none')), { code: 0, stdout: nothing })
  const { path } = await runJson<{ path: string }>(dir, 'backup', 'create')
  t.match(path, new RegExp(`^${dir}/\\.backups/kss-\\d{4}-\\d\\d-\\d\\dT[\\d-]{8}\\.tar\\.gz$`))
  t.equal((await stat(join(dir, '.backups'))).mode & 0o777, 0o700)
  const { size } = await stat(path)
  t.match(await runJson(dir, 'backup', 'list'), [{ path, bytes: size, created: Number }])
  const nas = await folder(t)
  for (const [name, age] of [
    ['b.tgz', 1],
    ['a.tar.gz', 2],
    ['.hidden.tar.gz', 3],
    ['other.zip', 4],
  ] as const) {
    await writeFile(join(nas, name), 'x')
    await utimes(join(nas, name), now - age, now - age)
  }
  const { stdout } = await run(dir, 'backup', 'list', nas)
  t.match(stdout, /^MADE +SIZE +FILE\n.*1B +.*\/a\.tar\.gz\n.*1B +.*\/b\.tgz\n$/)
  const { stdout: said } = await run(dir, 'backup', 'create', join(nas, 'c.tgz'))
  t.match(said, `The backup is in ${join(nas, 'c.tgz')}: 1 account, 1 document, `)
})

t.test('who may register is restored into an empty folder: who is invited, and that it is closed', async (t) => {
  const dir = await stateFolder(t)
  await run(dir, 'registration', 'close')
  await run(dir, 'invite', 'dora')
  const archive = await backUp(t, dir)
  const status = { open: false, until: null, invited: ['dora'] }
  const target = await folder(t)
  await run(target, 'backup', 'restore', archive)
  t.same(await runJson(target, 'registration', 'status'), status)
  const other = await stateFolder(t)
  await run(other, 'backup', 'restore', '--merge', archive)
  t.match(await runJson(other, 'registration', 'status'), { open: true, invited: [] }, 'a merge leaves it as it is')
  await run(dir, 'registration', 'open', '--for', '1h')
  const forAnHour = await runJson(dir, 'registration', 'status')
  const again = await folder(t)
  await run(again, 'backup', 'restore', await backUp(t, dir))
  t.same(await runJson(again, 'registration', 'status'), forAnHour, 'for the time that is left')
  const over = JSON.stringify({ open: true, until: 1, invited: [] })
  await writeFile(join(dir, '.registration.json'), over)
  const closed = await folder(t)
  await run(closed, 'backup', 'restore', await backUp(t, dir))
  t.match(await runJson(closed, 'registration', 'status'), { open: false }, 'and closed when that is over')
  await run(dir, 'registration', 'open')
  await run(dir, 'invite', 'dora')
  const open = await folder(t)
  await run(open, 'backup', 'restore', await backUp(t, dir))
  t.same(JSON.parse(await readFile(join(open, '.registration.json'), 'utf8')), { invited: ['dora'] })
})

t.test(
  'what was removed or renamed does not come back from the upstream after a restore into an empty folder',
  async (t) => {
    const dir = await stateFolder(t)
    t.match(await run(dir, 'user', 'rename', 'alice', 'alicia'), { code: 0 })
    const target = await folder(t)
    t.match(await run(target, 'backup', 'restore', await backUp(t, dir)), { code: 0 })
    const { removed } = JSON.parse(await readFile(join(target, '.registration.json'), 'utf8')) as Registration
    t.same(removed, ['alice'])
  },
)

t.test('an archive is no folder of archives', async (t) => {
  const archive = await backUp(t, await stateFolder(t))
  const ended = await run(await folder(t), 'backup', 'list', archive)
  t.match(ended, {
    code: 1,
    stderr: `Cannot read the folder ${archive}: ENOTDIR: not a directory, scandir '${archive}'\n`,
  })
})

t.test('that an upstream vouched for an account is restored too', async (t) => {
  const dir = await stateFolder(t)
  await mkdir(join(dir, 'ann'))
  const fields = { 'x-auth-user': 'ann', 'x-auth-key': 'K', adopted: true }
  await writeFile(join(dir, 'ann', 'auth.json'), JSON.stringify(fields))
  const target = await folder(t)
  await run(target, 'backup', 'restore', await backUp(t, dir))
  t.match(JSON.parse(await readFile(join(target, 'ann', 'auth.json'), 'utf8')), fields)
})
