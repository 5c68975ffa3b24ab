import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { LogLines, type Write } from '../src/log-lines.ts'

const tellDropped = (count: number): string => `dropped ${count}\n`

/** A disk that has room for so many bytes. */
function smallDisk(): { write: Write; text: () => string; room: (bytes: number) => void } {
  let [text, left] = ['', 0]
  const write: Write = async (_fd, bytes, from) => {
    if (left === 0) throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
    const written = bytes.subarray(from, from + left)
    text += written.toString()
    left -= written.length
    return { bytesWritten: written.length }
  }
  return { write, text: () => text, room: (bytes) => (left = bytes) }
}

for (const [what, rooms, expected] of [
  ['all', [100, 100], 'one\ntwo\nthree\nfour\n'],
  ['none', [0, 0], ''],
  ['nothing at first', [0, 100], 'dropped 2\nthree\nfour\n'],
  ['the first line', [4, 100], 'one\ndropped 1\nthree\nfour\n'],
  ['a part of the first line', [2, 100], 'on\ndropped 2\nthree\nfour\n'],
  ['a part of the second line', [6, 100], 'one\ntw\ndropped 1\nthree\nfour\n'],
  ['the end of a torn line', [6, 1, 100], 'one\ntw\ndropped 3\nfive\n'],
  ['a part of what tells it', [0, 3, 100], 'dro\ndropped 4\nfive\n'],
  ['only what tells it', [0, 10, 100], 'dropped 2\ndropped 2\nfive\n'],
] as const) {
  t.test(`lines that cannot be written are dropped, and counted later: there was room for ${what}`, async (t) => {
    const disk = smallDisk()
    const lines = new LogLines({ fd: -1, tellDropped, write: disk.write })
    for (const [at, both] of [['one\n', 'two\n'], ['three\n', 'four\n'], ['five\n']].slice(0, rooms.length).entries()) {
      disk.room(rooms[at]!)
      for (const line of both) lines.write(line)
      await lines.flush()
    }
    t.equal(disk.text(), expected)
  })
}

t.test('a full device is given up, not tried for ever', { skip: process.platform !== 'linux' }, async (t) => {
  const fd = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(fd))
  const lines = new LogLines({ fd, tellDropped })
  lines.write('one\n')
  await lines.flush()
})

/** A pipe that nobody reads, with room for some kilobytes; a write does not wait. */
function fullPipe(t: Test): number {
  const path = join(t.testdir({}), 'pipe')
  spawnSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(fd))
  for (;;) {
    try {
      writeSync(fd, Buffer.alloc(4096, '.'))
    } catch {
      return fd
    }
  }
}

t.test('a pipe that nobody reads holds up nobody; what is too much for it is dropped, and counted', async (t) => {
  const fd = fullPipe(t)
  const lines = new LogLines({ fd, tellDropped, maxWaiting: 100_000, patience: 50 })
  lines.write(`${'a'.repeat(70_000)}\n`)
  for (const line of ['b', 'c', 'd']) lines.write(`${line.repeat(60_000)}\n`)
  await lines.flush()
  const bytes = Buffer.alloc(1024 * 1024)
  const expected = `${'a'.repeat(70_000)}\ndropped 1\n${'b'.repeat(60_000)}\n${'c'.repeat(60_000)}\n`
  let text = ''
  while (text.length < expected.length) {
    try {
      text += bytes.toString('latin1', 0, readSync(fd, bytes)).replace(/^\.+/, '')
    } catch {
      await sleep(10)
    }
  }
  t.equal(text, expected)
})
