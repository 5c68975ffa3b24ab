import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { appendHistory, mergeHistory, readHistory } from '../../src/store/history-file.ts'

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
  await appendHistory(record, [c])
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
  ['the second line, before the first', [a, c, b], [b, c], [a, b, c]],
  ['a torn line', [a, b, c.slice(0, 20)], [b, c, d], [a, b, c, d]],
  ['zeros where a line was', [a, '\0\0\0\0'], [b], [a, b]],
  ['the same line from before', [a, b, a], [a], [a, b, a]],
  ['one of two equal lines', [a, b], [b, b], [a, b, b]],
  ['a line that somebody broke, further up', ['{', a, b], [b, c], ['{', a, b, c]],
] as const) {
  t.test(`lines that may be there are there once, in order, when there was ${what}`, async (t) => {
    for (const end of ['\n', '']) {
      const { record, read } = await withHistory(t, before && before.join('\n') + end)
      await mergeHistory(record, [...lines])
      t.equal(await read(), `${after.join('\n')}\n`)
      await mergeHistory(record, [...lines])
      t.equal(await read(), `${after.join('\n')}\n`, 'nor a second time')
    }
  })
}
