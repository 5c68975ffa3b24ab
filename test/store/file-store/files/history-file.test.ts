import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HistoryFiles, readHistory } from '../../../../src/store/file-store/files/history-file.ts'
import { faultyDisk } from '../faulty-disk.ts'

const line = (progress: string): string =>
  JSON.stringify({ document: 'abc', percentage: 0.5, progress, device: 'kpw', timestamp: 1000 })
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(line) as [string, string, string, string]

async function withHistory(t: Test, text?: string): Promise<{ record: string; read: () => Promise<string> }> {
  const dir = t.testdir({})
  const path = join(dir, 'history', 'abc.jsonl')
  await mkdir(join(dir, 'history'))
  if (text !== undefined) await writeFile(path, text)
  return { record: join(dir, 'abc.json'), read: () => readFile(path, 'utf8') }
}

t.test('history passes over what a crash tore', async (t) => {
  const { record } = await withHistory(t, `${a}\n{"torn\n\n${b}\n{"document":"abc`)
  await new HistoryFiles(0).add(record, [c], false)
  t.same(
    (await readHistory(record)).map(({ progress }) => progress),
    ['a', 'b', 'c'],
  )
})

for (const [what, before, lines, after] of [
  ['no history', undefined, [b, c], [b, c]],
  ['none of the lines', [a], [b, c], [a, b, c]],
  ['the first of the lines', [a, b], [b, c], [a, b, c]],
  ['all of the lines', [a, b, c], [b, c], [a, b, c]],
  ['the second line, as the first was not flushed', [a, '\0\0\0\0', c], [b, c], [a, b, c]],
  ['an equal line from before', [a], [b, a], [a, b, a]],
  ['an equal line from before, and some of them', [a, b, a, b], [b, a, c], [a, b, a, b, a, c]],
  ['a torn line', [a, b, c.slice(0, 20)], [b, c, d], [a, b, c, d]],
  ['zeros where a line was', [a, '\0\0\0\0'], [b], [a, b]],
  ['the same line from before', [a, b, a], [a], [a, b, a]],
  ['one of two equal lines', [a, b], [b, b], [a, b, b]],
  ['a line that somebody broke, further up', ['{', a, b], [b, c], ['{', a, b, c]],
] as const) {
  t.test(`lines that may be there are there once, in order, when there was ${what}`, async (t) => {
    for (const end of ['\n', '']) {
      const { record, read } = await withHistory(t, before && before.join('\n') + end)
      await new HistoryFiles(0).add(record, [...lines], true)
      t.equal(await read(), `${after.join('\n')}\n`)
      await new HistoryFiles(0).add(record, [...lines], true)
      t.equal(await read(), `${after.join('\n')}\n`, 'nor a second time')
    }
  })
}

t.test('a line that is longer than what is looked at stays', async (t) => {
  const long = line('x'.repeat(200_000))
  const { record, read } = await withHistory(t, `${long}\n`)
  await new HistoryFiles(0).add(record, [b], true)
  t.equal(await read(), `${long}\n${b}\n`)
})

t.test('a history keeps no more than the limit, the newest', async (t) => {
  const { record, read } = await withHistory(t, `${a}\n${b}\n`)
  const files = new HistoryFiles(3)
  await files.add(record, [c], false)
  t.equal(await read(), `${a}\n${b}\n${c}\n`)
  await files.add(record, [d], false)
  t.equal(await read(), `${b}\n${c}\n${d}\n`)
  await files.add(record, [a, b, c, d], true)
  t.equal(await read(), `${b}\n${c}\n${d}\n`, 'also where lines are there already')
  const rows = await readHistory(record)
  await files.replace(record, rows.slice(1))
  await files.add(record, [a], false)
  t.equal(await read(), `${c}\n${d}\n${a}\n`, 'it is counted anew when it was replaced')
  await files.remove(record)
  await files.remove(record)
  t.same(await readHistory(record), [])
})

t.test('a history at its limit that somebody removed begins anew', async (t) => {
  const { record, read } = await withHistory(t)
  const files = new HistoryFiles(2)
  await files.add(record, [a, b], false)
  await rm(join(record, '..', 'history'), { recursive: true })
  await files.add(record, [c], false)
  t.equal(await read(), `${c}\n`)
})

t.test('a long history may be a tenth over its limit, so that not each push writes all of it', async (t) => {
  const { record, read } = await withHistory(t)
  const files = new HistoryFiles(100)
  const lines = Array.from({ length: 111 }, (_, at) => line(`${at}`))
  for (const each of lines.slice(0, 110)) await files.add(record, [each], false)
  t.equal(await read(), lines.slice(0, 110).join('\n') + '\n')
  await files.add(record, lines.slice(110), false)
  t.equal(await read(), lines.slice(11).join('\n') + '\n')
})

t.test('a history over its limit whose end somebody broke keeps the newest', async (t) => {
  const { record, read } = await withHistory(t, `${a}\n${b}`)
  await new HistoryFiles(2).add(record, [c], false)
  t.equal(await read(), `${b}\n${c}\n`)
})

for (const limit of [0, 1000]) {
  t.test(`only the end of a long history is read, with the limit ${limit}`, async (t) => {
    const lines = Array.from({ length: 100_000 }, (_, at) => line(`${at}`))
    const { record, read } = await withHistory(t, [...lines, b].join('\n') + '\n')
    const disk = faultyDisk(t)
    for (const [added, unsure] of [
      [[b, c], true],
      [[d], false],
    ] as const) {
      await new HistoryFiles(limit).add(record, [...added], unsure)
      t.equal(disk.count('readFile', /abc\.jsonl$/), 0)
      const blocks = disk.count('read', /abc\.jsonl$/)
      t.ok(blocks > 0 && blocks < 20, `${blocks} blocks of over 120`)
    }
    // The last one is within the tenth over the limit.
    const kept = [...lines, b, c, d].slice(limit === 0 ? 0 : -limit - 1)
    t.equal(await read(), `${kept.join('\n')}\n`)
  })
}

const earlier = line('0')

for (const [what, record, unsure, expected] of [
  ['an earlier position', earlier, false, [earlier, a, b]],
  ['an earlier position, after a crash', earlier, true, [earlier, a, b]],
  ['a position without a time', '{"document":"abc","progress":"0","timestamp":null}', false, undefined],
  ['one of the lines', b, true, [a, b]],
  ['no JSON', '{', false, [a, b]],
  ['the position of another document', earlier.replace('abc', 'xyz'), false, [a, b]],
  ['no record', undefined, false, [a, b]],
] as const) {
  t.test(`a history begins with what the record was before, and there is ${what}`, async (t) => {
    const { record: path, read } = await withHistory(t)
    if (record !== undefined) await writeFile(path, record)
    await new HistoryFiles(0).add(path, [a, b], unsure)
    if (expected) t.equal(await read(), `${expected.join('\n')}\n`)
    else
      t.match((await readHistory(path))[0], { progress: '0', timestamp: Math.floor((await stat(path)).mtimeMs / 1000) })
  })
}
