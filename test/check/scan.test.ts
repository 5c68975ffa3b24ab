import fs, { chmod, mkdir, rename, rm, stat, symlink, writeFile, type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { foundAgain, type Finding } from '../../src/store/finding.ts'
import { pushRecord } from '../store/file-store/wal/log-lines.ts'
import { journalLine } from '../store/file-store/wal/journal-lines.ts'
import { segment } from '../store/file-store/wal/log-lines.ts'
import { scanFolder, scanState, scanTop, type FolderFindings } from '../../src/check/scan.ts'
import { pushed } from '../store/contract.ts'
import { auth, damages, fixed, makeLocks, makeState, push, record } from './damage.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { removeFoldersLast } from '../folders-last.ts'
import { adminByName, byName } from '../store/by-name.ts'

removeFoldersLast(t)

async function open(t: Test, dir: string): Promise<FileStore> {
  const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)) })
  t.teardown(() => store.close())
  return store
}

async function scanAll(dir: string, options = {}): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const { findings } of scanState(dir, options)) found.push(...findings)
  return found.map((finding) => ({ ...finding, path: fixed(finding.path) }))
}

for (const { what, files = {}, make, found } of [...damages.folders, ...damages.top]) {
  t.test(`finds ${what}`, async (t) => {
    const dir = await makeState(t, files)
    await make?.(dir)
    t.same(await scanAll(dir), found)
    t.same(await scanAll(dir), found, 'and changes nothing')
  })
}

t.test('finds nothing in what kss writes, with a server and without, whatever the names', async (t) => {
  const dir = await makeState(t, {
    '.format': '{"format":1}\n',
    '.backups/1.tar.gz': 'x',
    [`.console/sessions/${'a'.repeat(64)}.json`]: '{}',
    '.console/operators.json': '{"operators":[]}\n',
    'lost+found/x': 'x',
    // As older servers left it.
    'Zoë/auth.json': auth('Zoë'),
    'Zoë/Foo.json': record('1', 1, 'Foo'),
    'Zoë/history/Foo.jsonl': record('1', 1, 'Foo'),
    // A renaming that a crash cut short.
    'carl/auth.json': auth('carl', { 'x-auth-user-next': 'dora' }),
    'emma/auth.json': auth('old', { 'x-auth-user-next': 'emma' }),
  })
  await rm(join(dir, 'lost+found', 'x'))
  const store = await open(t, dir)
  for (const name of ['Bob', 'auth', 'a/b', '..', '~', '%41', 'x'.repeat(255), '李'.repeat(90), '.tmp-']) {
    await store.createUser({ username: name, key: 'K' })
    for (const progress of ['1', '2']) await byName(store).putProgress(name, { ...pushed, document: name, progress })
  }
  await adminByName(store).renameUser('ann', 'Olga')
  await store.admin.setInvited('new', true)
  await byName(store).putProgress('Olga', pushed)
  await store.admin.flush()
  t.same(await scanAll(dir), [])
  await store.close()
  t.same(await scanAll(dir, { running: false }), [])
  t.same(damages.folders.length + damages.top.length > 20, true)
})

t.test('finds nothing twice beside a server that many push to', async (t) => {
  const dir = await makeState(t, {})
  const store = await open(t, dir)
  const stop = new AbortController()
  const pushing = (async (): Promise<void> => {
    for (let at = 0; !stop.signal.aborted; at++) {
      const username = `user-${at % 20}`
      await store.createUser({ username, key: 'K' })
      const pushes = Array.from({ length: 10 }, (_, number) =>
        byName(store).putProgress(username, { ...pushed, document: `book-${at}-${number}` }),
      )
      await Promise.all(pushes)
      if (at % 7 === 0) await byName(store).deleteUser(username)
    }
  })()
  const confirmed: Finding[] = []
  for (let round = 0; round < 3; round++) {
    const suspects: FolderFindings[] = []
    for await (const each of scanState(dir)) if (each.findings.length > 0) suspects.push(each)
    await sleep(1000)
    for (const { folder, findings } of suspects) {
      confirmed.push(...foundAgain(findings, await (folder === '' ? scanTop(dir) : scanFolder(dir, folder))))
    }
  }
  stop.abort()
  await pushing
  await store.close()
  t.same(confirmed, [])
})

t.test('what is found again is what was there both times', async (t) => {
  const dir = await makeState(t, { 'ann/abc.json': '{', 'ann/x.json': '{', 'ann/new.json': '{' })
  const first = await scanFolder(dir, 'ann')
  await writeFile(join(dir, 'ann', 'x.json'), '[]')
  await rm(join(dir, 'ann', 'new.json'))
  t.same(
    foundAgain(first, await scanFolder(dir, 'ann')).map(({ path }) => path),
    ['ann/abc.json'],
  )
})

t.test('reads a few folders at a time, however many there are', async (t) => {
  const users = Array.from({ length: 2000 }, (_, at) => `user-${at}`)
  const dir = await makeState(t, Object.fromEntries(users.map((name) => [`${name}/auth.json`, auth(name)])))
  const disk = faultyDisk(t)
  let folders = 0
  for await (const { findings } of scanState(dir)) {
    t.same(findings, [])
    folders += 1
    // One look at each is ahead at most, but for the top and the few that are read together.
    if (disk.count('open', /auth\.json$/) > folders + 8) t.fail('reads further than it tells')
  }
  t.equal(folders, 2002)
})

t.test('rejects when there is no state directory, and finds nothing in a folder that is gone', async (t) => {
  const dir = await makeState(t, {})
  await t.rejects(scanAll(join(dir, 'gone')), { code: 'ENOENT' })
  t.same(await scanFolder(dir, 'gone'), [])
  t.same(await scanFolder(dir, 'ann/auth.json'), [])
})

t.test('a temp of now is somebody’s while a server runs', async (t) => {
  const dir = await makeState(t, { 'ann/.tmp-1': 'x' })
  t.same(await scanAll(dir), [])
  t.match(await scanAll(dir, { running: false }), [{ path: 'ann/.tmp-1', repair: 'is removed' }])
})

t.test('finds what belongs to another user of the machine, instead of its mode', async (t) => {
  const dir = await makeState(t, { 'ann/abc.json': record('p2', 2) })
  await chmod(join(dir, 'ann', 'abc.json'), 0o644)
  const owner = (await stat(dir)).uid + 1
  const found = await scanFolder(dir, 'ann', { owner })
  t.same(
    found.map(({ path }) => path),
    ['ann', 'ann/abc.json', 'ann/auth.json', 'ann/history', 'ann/history/abc.jsonl'],
  )
  t.same(found[1], {
    path: 'ann/abc.json',
    problem: `belongs to user ${owner - 1}, not to user ${owner} as the state directory does`,
    advice: `let it belong to user ${owner} (chown)`,
    damage: true,
  })
})

for (const [call, path, at] of [
  ['open', /abc\.json$/, 'ann/abc.json'],
  ['open', /abc\.jsonl$/, 'ann/history/abc.jsonl'],
  ['open', /auth\.json$/, 'ann/auth.json'],
  ['open', /\.format$/, '.format'],
  ['open', /\.log$/, '.journal/0000000001.log'],
  ['readdir', /ann$/, 'ann'],
  ['readdir', /history$/, 'ann/history'],
] as const) {
  t.test(`finds that the disk does not give ${at} any more`, async (t) => {
    const dir = await makeState(t, { '.format': '{"format":1}', '.journal/0000000001.log': '' })
    faultyDisk(t).fail(call, path, 'EIO')
    t.same(await scanAll(dir), [
      {
        path: at,
        problem: 'cannot be read: EIO',
        advice: 'see that the disk is well and that this user may read it; or restore it from a backup',
        damage: true,
      },
    ])
  })
}

t.test('links are told of, and not followed', async (t) => {
  const dir = await makeState(t, {
    'bob/abc.json': record('1', 1),
    'ann/x.json': record('9', 9),
    'other/x.jsonl': '{',
    '.journal/0000000002.log/x': 'x',
  })
  await rm(join(dir, 'ann', 'history'), { recursive: true })
  await symlink('../ann/auth.json', join(dir, 'bob', 'auth.json'))
  await symlink('../other', join(dir, 'ann', 'history'))
  t.same(
    (await scanAll(dir)).map(({ path, problem, repair }) => [path, problem, repair]),
    [
      ['.journal/0000000002.log', 'is not a file', 'is set aside'],
      ['ann/history', 'is a symbolic link: kss does not follow it', undefined],
      ['ann/x.json', 'is of the document "abc", as is abc.json', undefined],
      ['bob/auth.json', 'is a symbolic link: kss does not follow it', undefined],
      ['other', 'is nothing that kss knows', undefined],
    ],
  )
})

t.test('finds the lock of a kss that is gone, not that of one that runs', async (t) => {
  const { dir } = await makeLocks(t)
  t.same(await scanTop(dir), [
    { path: '.lock-1', problem: 'is the lock of a kss that is gone', repair: 'is removed', damage: false },
  ])
})

const [good, bad] = [push('p1'), 'x'.repeat(40)]
const torn = {
  problem: 'ends in a line that a crash tore',
  advice: 'nothing is to be done: nobody was told that it is kept, and the next start drops it',
  damage: false,
}
const holds = (what: string): Finding => ({
  path: '.journal',
  problem: `holds ${what} that may not be in the files yet`,
  advice: 'start kss: it brings them in',
  damage: false,
})
const lost = (lines: string): Omit<Finding, 'path'> => ({
  problem: `has ${lines}: pushes that were acknowledged may be lost`,
  repair: 'is kept as a copy; its good lines stay',
  damage: true,
})

const journals: [string, string, (Omit<Finding, 'path'> & { path?: string })[]][] = [
  ['pushes', good + push('p2', 'new'), [holds('2 pushes')]],
  ['a torn end', `${good}${bad}\n${bad}`, [holds('1 push'), torn]],
  ['a damaged line', `${good}${bad}\n${good}`, [holds('2 pushes'), lost('1 damaged line')]],
  ['damaged lines and a torn end', `${bad}\n${bad}\n${good}${bad}`, [holds('1 push'), lost('2 damaged lines')]],
  [
    'lines that say nothing',
    `${journalLine('null')}${journalLine('{')}${good}`,
    [holds('1 push'), lost('2 damaged lines')],
  ],
  [
    'a line that leads elsewhere',
    journalLine('{"folder":"..","file":"x","push":{}}') + good,
    [holds('1 push'), lost('1 damaged line')],
  ],
  [
    'a push for a user who is gone',
    push('p1', 'abc', 'gone'),
    [
      {
        path: '.journal',
        problem: 'holds 1 push for users that are not there',
        advice: 'nothing is to be done if they were deleted: the next start drops them',
        damage: false,
      },
    ],
  ],
]

for (const [what, text, found] of journals) {
  t.test(`finds ${what} in the journal`, async (t) => {
    const dir = await makeState(t, { '.journal/0000000001.log': text, '.journal/0000000002.log': '' })
    const path = '.journal/0000000001.log'
    t.same(
      await scanAll(dir, { running: false }),
      found.map((finding) => ({ path, ...finding })),
    )
    const running = found
      .filter(({ damage }) => damage)
      .map(({ problem }) => ({
        path,
        problem,
        advice: 'stop kss, then repair: a start would drop them',
        damage: true,
      }))
    t.same(await scanAll(dir), running)
  })
}

const records = (...progress: string[]): string =>
  progress.map((each) => pushRecord('/ann/abc.json', record(each, 2000, 'abc').trim(), true)).join('')
const [one, two, three] = [records('p1'), records('p2'), records('p3')] as [string, string, string]
const segmentPath = '.wal/0000000007.log'
const kept = (what: string): Finding => ({ ...holds(what), path: '.wal' })
const lostRecords: Finding = {
  path: segmentPath,
  problem: 'has damaged records: pushes that were acknowledged may be lost',
  repair: 'is kept as a copy; its good records stay',
  damage: true,
}

const logs: [string, string, Finding[]][] = [
  ['pushes', segment(7, one + two), [kept('2 pushes')]],
  ['a torn end', segment(7, one, two).slice(0, -5), [kept('1 push')]],
  ['a preallocated end', `${segment(7, one)}${'\0'.repeat(500)}`, [kept('1 push')]],
  ['the end of an older segment', segment(7, one) + segment(5, two, three), [kept('1 push')]],
  ['a damaged batch', segment(7, one, two, three).replace('p2', 'xx'), [kept('2 pushes'), lostRecords]],
  ['nothing but a damaged record', segment(7, '5\n'), [lostRecords]],
  [
    'a segment of a newer kss',
    segment(7, one).replace('kss-wal 1', 'kss-wal 2'),
    [
      {
        path: segmentPath,
        problem: 'cannot be read: a newer kss wrote the segment 7',
        advice: 'install the newest kss, then check again',
        damage: true,
      },
    ],
  ],
]

for (const [what, text, found] of logs) {
  t.test(`finds ${what} in the log`, async (t) => {
    const dir = await makeState(t, { [segmentPath]: text, '.wal/0000000008.log': '\0'.repeat(500) })
    t.same(await scanAll(dir, { running: false }), found)
    const damage = found.filter((finding) => finding.damage)
    const advice = 'stop kss, then repair: a start would drop them'
    t.match(
      await scanAll(dir),
      damage.map(({ problem, repair }) => (repair ? { problem, advice } : { problem })),
    )
  })
}

const tornSegment = segment(7, one, two, three).replace('p2', 'xx')
for (const [what, text, found] of [
  ['is written meanwhile', segment(7, one, two, three), []],
  ['is recycled meanwhile', undefined, []],
  ['is damaged at another place', segment(7, one, two, three, one).replace('p3', 'xx'), []],
  ['is damaged, and written meanwhile', tornSegment + segment(7, one).replace(/^.*\n/, ''), [segmentPath]],
] as const) {
  t.test(`beside a server, a segment that ${what} ${found.length > 0 ? 'counts as damaged' : 'is well'}`, async (t) => {
    const dir = await makeState(t, { [segmentPath]: tornSegment })
    afterFirstRead(t, join(dir, segmentPath), async (path) => {
      await (text === undefined ? rm(path) : writeFile(path, text))
    })
    const paths = (await scanTop(dir)).map(({ path }) => path)
    t.same(paths, found)
  })
}

/** Calls the function when the file was read for the first time. */
function afterFirstRead(t: Test, path: string, change: (path: string) => Promise<void>): void {
  const { open: realOpen } = fs
  const replace = (opening: typeof realOpen): void => {
    fs.open = opening
    syncBuiltinESMExports()
  }
  const opening = async (...args: Parameters<typeof realOpen>): Promise<FileHandle> => {
    const file = await realOpen(...args)
    if (args[0] !== path) return file
    replace(realOpen)
    const bytes = await file.readFile()
    await change(path)
    return Object.assign(file, { readFile: async () => bytes })
  }
  replace(opening)
  t.teardown(() => replace(realOpen))
}

t.test('what the next start brings to its end is no damage', async (t) => {
  const dir = await makeState(t, {
    '.journal/0000000001.log': push('p3', 'new'),
    'ann/history/new.jsonl': record('p3', 3, 'new'),
  })
  t.match(await scanAll(dir), [{ path: 'ann/history/new.jsonl', problem: 'has no record', damage: true }])
  t.same((await scanAll(dir, { running: false }))[1], {
    path: 'ann/history/new.jsonl',
    problem: 'has no record',
    advice: 'start kss, which brings in what was pushed last, then check again',
    damage: false,
  })
  await (await open(t, dir)).close()
  t.same(await scanAll(dir, { running: false }), [])
})

t.test('finds a left-over lock in a folder whose path is too long for a socket', async (t) => {
  const { dir } = await makeLocks(t)
  const long = join(dir, 'x'.repeat(100))
  await mkdir(long)
  for (const name of ['.lock-1', '.lock-2']) await rename(join(dir, name), join(long, name))
  t.match(await scanTop(long), [{ path: '.lock-1', problem: 'is the lock of a kss that is gone' }])
})

t.test('says nothing of the lock of a file system without sockets', async (t) => {
  const dir = await makeState(t, { '.lock/1234': '{}' })
  t.same(await scanTop(dir), [])
})

t.test('finds that the disk does not give the state directory itself', async (t) => {
  const dir = await makeState(t, {})
  faultyDisk(t).fail('readdir', new RegExp(`${basename(dir)}$`), 'EACCES')
  t.match(await scanTop(dir), [{ path: '.', problem: 'cannot be read: EACCES' }])
})

for (const files of [{ 'bob/abc.json': '{' }, { 'bob/x': '{' }]) {
  t.test(`finds nothing in a folder that goes while it is looked at: ${Object.keys(files).join()}`, async (t) => {
    const dir = await makeState(t, files)
    removeAfterListing(t, join(dir, 'bob'))
    t.same(await scanFolder(dir, 'bob'), [])
  })
}

/** As a user does who is deleted at that moment. */
function removeAfterListing(t: Test, folder: string): void {
  const { readdir } = fs
  const replace = (listing: typeof readdir): void => {
    fs.readdir = listing
    syncBuiltinESMExports()
  }
  const listing = async (path: string): Promise<string[]> => {
    const names = await readdir(path)
    if (path === folder) await rm(folder, { recursive: true })
    return names
  }
  replace(listing as typeof readdir)
  t.teardown(() => replace(readdir))
}
