import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { WriteAheadLog, type LogOptions } from '../../../../src/store/file-store/wal/log.ts'
import { OpenedFolder } from '../../../../src/store/file-store/opened-folder.ts'
import { formatTombstone } from '../../../../src/store/file-store/wal/record.ts'
import { hasLog, readLog } from '../../../../src/store/file-store/wal/recovery.ts'
import { removeFoldersLast } from '../../../folders-last.ts'
import { until } from '../../../until.ts'
import { faultyDisk } from '../faulty-disk.ts'
import { segment } from './log-lines.ts'

removeFoldersLast(t)

const line = (name: string): string => formatTombstone(name)
const bytes = 4096
const server: LogOptions = { preallocate: true, segmentBytes: bytes }

interface Opened {
  dir: string
  log: WriteAheadLog
  append: (...names: string[]) => Promise<void>
  /** The names in the records of the log, as recovery reads them. */
  read: () => Promise<string[]>
  list: () => Promise<string[]>
}

function open(t: Test, options: LogOptions = {}, newest = 0, state = t.testdir({})): Opened {
  const dir = join(state, '.wal')
  const folder = new OpenedFolder(state, (error) => t.fail(String(error)))
  const log = new WriteAheadLog({ state, log: dir, journal: join(state, '.journal') }, newest, folder, options)
  t.teardown(() => log.close(() => false))
  const append = (...names: string[]): Promise<void> => log.append(() => names.map(line).join(''))
  const read = async (): Promise<string[]> => {
    const { records } = await readLog(dir, (error) => t.fail(error))
    return records.map(({ folder: name }) => name)
  }
  const list = async (): Promise<string[]> => (await readdir(dir)).toSorted()
  return { dir, log, append, read, list }
}

const formatOf = async (dir: string): Promise<string> => await readFile(join(dirname(dir), '.format'), 'utf8')

t.test('what was appended is read again, in order, over all segments', async (t) => {
  const { log, append, read } = open(t)
  t.same(await read(), [])
  await Promise.all([append('1', '2'), append('drei\u2028é')])
  await log.rotate(() => undefined)
  await append('4')
  t.same(await read(), ['1', '2', 'drei\u2028é', '4'])
})

t.test('a snapshot is of all that is in the older segments, and of nothing that is in the newer ones', async (t) => {
  const { log, read } = open(t)
  const published: string[] = []
  const append = (name: string) =>
    log.append(
      () => line(name),
      () => published.push(name),
    )
  const appended = [append('1'), append('2')]
  const rotated = log.rotate(() => [...published])
  appended.push(append('3'))
  const { before, snapshot } = await rotated
  t.same(snapshot, ['1', '2'])
  await Promise.all(appended)
  await log.dropBefore(before)
  t.same(await read(), ['3'])
})

t.test('a rotation of an empty segment begins no other', async (t) => {
  const { log, list } = open(t)
  await log.begin()
  await log.begin()
  t.match(await log.rotate(() => 'x'), { before: 1, snapshot: 'x' })
  t.same(await list(), ['0000000001.log'])
})

t.test('a clean stop removes it, and an older kss may start; until then it may not', async (t) => {
  const { dir, append, log, list } = open(t)
  await append('1')
  t.equal(await formatOf(dir), '{"format":2}\n')
  await log.close(() => false)
  t.same(await list(), ['0000000001.log'])
  t.equal(await formatOf(dir), '{"format":2}\n')
  const next = open(t, {}, 1, dirname(dir))
  await next.append('2')
  t.same(await list(), ['0000000001.log', '0000000002.log'])
  await next.log.close(() => true)
  t.same(await list(), [])
  t.equal(await formatOf(dir), '{"format":1}\n')
})

t.test('the backup of a folder of Python kss that could not be made is still due after a clean stop', async (t) => {
  const { dir, append, log } = open(t, {}, 0, t.testdir({ ann: {} }))
  await append('1')
  t.equal(await formatOf(dir), '{"format":2,"before":0}\n')
  await log.close(() => true)
  await t.rejects(formatOf(dir), { code: 'ENOENT' })
})

t.test('a segment is preallocated behind the first append, and appends do not change its length', async (t) => {
  const disk = faultyDisk(t)
  const { dir, log, append, read, list } = open(t, server)
  await append('1')
  await until(async () => (await list()).includes('0000000002.log'))
  t.equal((await stat(join(dir, '0000000002.log'))).size, bytes)
  t.same(await read(), ['1'], 'zeros are no records')
  await log.rotate(() => undefined)
  const before = disk.count('sync', /./)
  const release = disk.hold('open', /\.tmp-/)
  await append('2')
  await append('3')
  t.equal(disk.count('sync', /./) - before, 2, 'each is one flush')
  t.equal((await stat(join(dir, '0000000002.log'))).size, bytes)
  t.same(await read(), ['1', '2', '3'])
  release()
})

t.test('a segment that is in the files is recycled, and its old records are no records any more', async (t) => {
  const { dir, log, append, read, list } = open(t, server)
  await append('1')
  await until(async () => (await list()).includes('0000000002.log'))
  await log.dropBefore((await log.rotate(() => undefined)).before)
  t.same(await list(), ['0000000002.log'], 'the first one was not preallocated')
  await append(...Array.from({ length: 20 }, () => 'old'))
  await until(async () => (await list()).includes('0000000003.log'))
  await log.dropBefore((await log.rotate(() => undefined)).before)
  t.same(await list(), ['0000000003.log', '0000000004.log'])
  await append('3')
  await log.rotate(() => undefined)
  t.same(await read(), ['3'])
  await append('4')
  t.same(await read(), ['3', '4'])
  t.match(await readFile(join(dir, '0000000004.log'), 'utf8'), /"4"[^]*"old"/, 'old records are behind the new one')
})

t.test('a segment that is full is followed by the next one', async (t) => {
  const { append, read, list } = open(t, { segmentBytes: 150 })
  await append('1')
  await append('2')
  await append('3', '4', '5', '6', '7')
  t.same(await list(), ['0000000001.log', '0000000002.log', '0000000003.log'])
  t.same(await read(), ['1', '2', '3', '4', '5', '6', '7'])
})

t.test('a disk without room for a segment: appends go on, and it is tried again ten minutes later', async (t) => {
  const disk = faultyDisk(t)
  let now = 0
  const { append, read, list } = open(t, { ...server, now: () => now })
  disk.fail('write', /\.wal.\.tmp-/, 'ENOSPC')
  await append('1')
  await until(async () => disk.count('write', /\.wal.\.tmp-/) === 1)
  await until(async () => (await list()).length === 1)
  now = 599_999
  await append('2')
  t.equal(disk.count('open', /\.wal.\.tmp-/), 1)
  disk.mend()
  now = 600_000
  await append('3')
  await until(async () => (await list()).includes('0000000002.log'))
  t.same(await read(), ['1', '2', '3'])
})

t.test('a folder that cannot be flushed after a preallocation: appends go on', async (t) => {
  const disk = faultyDisk(t)
  const { log, append, read, list } = open(t, server)
  await log.begin()
  disk.fail('sync', /\.wal$/, 'EIO')
  await append('1')
  await until(async () => disk.count('sync', /\.wal$/) === 2 && (await list()).length === 1)
  await append('2')
  t.same(await read(), ['1', '2'])
})

t.test('a stop does not wait for a preallocation', async (t) => {
  const disk = faultyDisk(t)
  const { log, append, list } = open(t, { preallocate: true, segmentBytes: 2 ** 21 })
  const release = disk.hold('write', /\.wal.\.tmp-/)
  await append('1')
  await until(async () => disk.count('write', /\.wal.\.tmp-/) === 1)
  const closed = log.close(() => true)
  release()
  await closed
  t.equal(disk.count('write', /\.wal.\.tmp-/), 1, 'the second half is not written')
  t.same(await list(), [])
})

t.test('after a failed append the segment that was ready goes too: the next one is empty', async (t) => {
  const disk = faultyDisk(t)
  const { append, read, list } = open(t, server)
  for (const number of ['1', '2']) {
    await append(number)
    await until(async () => (await list()).includes(`000000000${Number(number) + 1}.log`))
  }
  // It was opened before it got its number.
  disk.fail('sync', /\/\.tmp-/, 'EIO')
  await t.rejects(append('3'), { code: 'EIO' })
  t.same(await list(), ['0000000001.log', '0000000002.log'])
  disk.mend()
  await append('4')
  t.same(await read(), ['1', '2', '4'])
  t.same(await list(), ['0000000001.log', '0000000002.log', '0000000004.log'])
})

t.test('an empty segment is no log', async (t) => {
  const { dir, log, append } = open(t)
  t.notOk(await hasLog(dirname(dir)))
  await log.begin()
  t.notOk(await hasLog(dirname(dir)))
  await append('1')
  t.ok(await hasLog(dirname(dir)))
})

t.test('a log that is closed takes no more records', async (t) => {
  const { dir, log, append } = open(t)
  await append('1')
  await log.close(() => true)
  for (const late of [append('2'), log.begin(), log.rotate(() => undefined)] as Promise<unknown>[]) {
    await t.rejects(late as Promise<void>, { message: 'the log is closed' })
  }
  t.match(await formatOf(dir), '{"format":1}')
  t.same(await readdir(dir), [])
})

t.test('a segment that gets ready while another is begun is the one after that', async (t) => {
  const { log, append, read, list } = open(t, server)
  for (let round = 0; round < 30; round += 1) {
    // The first append of a round has a segment preallocated, and the rotation may begin one meanwhile.
    const pushed = append(`${round}`)
    const { before } = await log.rotate(() => undefined)
    await pushed
    if (round % 3 === 2) await log.dropBefore(before)
  }
  await append('last')
  t.equal((await read()).at(-1), 'last')
  await log.close(() => true)
  t.same(await list(), [], 'none is forgotten')
})

t.test('while a segment is to be recycled, none is preallocated', async (t) => {
  const { dir, log, append, list } = open(t, server)
  const segments = async (): Promise<string[]> => (await list()).filter((name) => name.endsWith('.log'))
  await append('1')
  await until(async () => (await segments()).length === 2)
  await log.dropBefore((await log.rotate(() => undefined)).before)
  await append('2')
  await until(async () => (await segments()).length === 2)
  const { before } = await log.rotate(() => undefined)
  const names = await segments()
  await append('3')
  t.same(await list(), names)
  const { ino } = await stat(join(dir, names[0]!))
  await log.dropBefore(before)
  const recycled = (await segments()).at(-1)!
  t.equal((await stat(join(dir, recycled))).ino, ino)
})

t.test('other files in its folder are left alone', async (t) => {
  const { dir, log, append, read, list } = open(t)
  await append('1')
  await writeFile(join(dir, 'notes.txt'), 'mine')
  t.same(await read(), ['1'])
  await log.close(() => true)
  t.same(await list(), ['notes.txt'])
})

t.test('records in a folder that was removed are not durable; the next ones are, in a new folder', async (t) => {
  const { dir, append, read } = open(t)
  await append('1')
  await rm(dir, { recursive: true })
  await t.rejects(append('2'), { code: 'DAMAGED_FILE' })
  await append('3')
  t.same(await read(), ['3'])
})

t.test('a number that is taken is passed over', async (t) => {
  const { dir, log, append, list } = open(t)
  await append('1')
  await writeFile(join(dir, '0000000002.log'), '')
  await t.rejects(
    log.rotate(() => undefined),
    { code: 'EEXIST' },
  )
  await append('2')
  await log.rotate(() => undefined)
  t.same(await list(), ['0000000001.log', '0000000002.log', '0000000003.log'])
})

/** What recovery reads of one segment, and what it tells. */
async function recover(t: Test, text: string | Buffer): Promise<{ names: string[]; told: Error[]; left: string[] }> {
  const dir = join(t.testdir({}), '.wal')
  await mkdir(dir)
  await writeFile(join(dir, '0000000007.log'), text)
  const told: Error[] = []
  const { records, newest } = await readLog(dir, (error) => told.push(error))
  t.equal(newest, 7)
  return { names: records.map(({ folder }) => folder), told, left: (await readdir(dir)).toSorted() }
}

const whole = segment(7, line('1'), line('2'))
const header = segment(7)
const next = segment(7, line('torn')).slice(header.length)
const older = segment(5, line('old'), line('older'), line('oldest'))

for (const [what, end] of [
  ['nothing', ''],
  ['zeros', '\0'.repeat(500)],
  ['half a batch', next.slice(0, -4)],
  ['the first line of a batch', next.slice(0, 24)],
  ['half of the first line of a batch', next.slice(0, 12)],
  ['a batch with another checksum', next.replace('torn', 'born')],
  ['zeros in a batch', next.replace('torn', '\0\0\0\0')],
  ['half a batch and zeros', next.slice(0, -4) + '\0'.repeat(500)],
  ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x0a])],
  ['old batches', older],
  ['the end of an old batch, and old batches', older.slice(60)],
  ['half a batch, and old batches', next.slice(0, -9) + older.slice(100)],
  ['an old batch as long as the next one would be', older.slice(header.length)],
] as const) {
  t.test(`${what} at the end of a segment is not read, and no damage`, async (t) => {
    const { names, told, left } = await recover(t, Buffer.concat([Buffer.from(whole), Buffer.from(end)]))
    t.same([names, told, left], [['1', '2'], [], ['0000000007.log']])
  })
}

for (const [what, text] of [
  ['is empty', ''],
  ['is preallocated', '\0'.repeat(5000)],
  ['is recycled and not begun', older],
  ['is recycled, with a torn header', header.slice(0, 9) + older.slice(9)],
  ['is recycled, with a torn batch', header + next.slice(0, 30) + older.slice(80)],
] as const) {
  t.test(`a segment that ${what} holds nothing`, async (t) => {
    const { names, told, left } = await recover(t, text)
    t.same([names, told, left], [[], [], ['0000000007.log']])
  })
}

for (const [what, text, names] of [
  ['a batch in the middle', whole.replace('"1"', '"x"') + older, ['2']],
  ['the header', `x${whole.slice(1)}`, ['1', '2']],
  ['the length of a batch', whole.replace(/(?<=^[0-9a-f]{8} )\d+/m, '9999999999'), ['2']],
  [
    'two batches of four',
    segment(7, line('1'), line('2'), line('3'), line('4')).replace(/"1"|"3"/g, '"x"'),
    ['2', '4'],
  ],
] as const) {
  t.test(`damage of ${what} is told, the segment is kept as a copy, and the rest is read`, async (t) => {
    const recovered = await recover(t, text)
    t.same(recovered.names, names)
    t.match(recovered.told, [{ code: 'DAMAGED_FILE', message: /0000000007\.log: has damaged records: / }])
    t.match(recovered.left, ['0000000007.log', /^0000000007\.log\.corrupt-\d+$/])
  })
}

t.test('a damaged segment is read though it cannot be copied, and that is told', async (t) => {
  faultyDisk(t).fail('open', /\.corrupt-/, 'ENOSPC')
  const { names, told } = await recover(t, segment(7, line('1') + '5\n', line('2')))
  t.same(names, ['1', '2'])
  t.match(told, [{ message: /0000000007\.log: has damaged records, and cannot be copied: ENOSPC/ }])
})

t.test('a segment of a newer kss is not read', async (t) => {
  await t.rejects(recover(t, whole.replace('kss-wal 1', 'kss-wal 2')), { message: 'a newer kss wrote the segment 7' })
})

t.test('a segment of a busy minute is read whole', async (t) => {
  const { names } = await recover(t, segment(7, line('1').repeat(150_000), line('2').repeat(150_000)))
  t.equal(names.length, 300_000)
})

t.test('a flush of over a second is told, once a minute', async (t) => {
  const disk = faultyDisk(t)
  let now = 0
  const told: unknown[] = []
  const { dir, append } = open(t, { now: () => now, onSlowFlush: (path, ms) => told.push([path, ms]) })
  const takeAway = async (ms: number): Promise<void> => {
    const before = disk.count('sync', /\.log$/)
    const release = disk.hold('sync', /\.log$/)
    const appended = append('1')
    await until(async () => disk.count('sync', /\.log$/) > before)
    now += ms
    release()
    await appended
  }
  for (const ms of [999, 1500, 2000, 60_000, 3000]) await takeAway(ms)
  t.same(told, [
    [dir, 1500],
    [dir, 60_000],
  ])
})
