import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { BadBackup, unpackBackup } from '../../src/store/unpack-backup.ts'
import { writeEntries, type Entry } from '../commands/archives.ts'

const ann: Entry = ['ann/auth.json', '{}']
const tooMuch = new BadBackup('what it holds needs more space than there is')

for (const [what, entries, expected] of [
  ['more bytes', [ann, ['ann/abc.json', 'x'.repeat(1_000_000)]], tooMuch],
  ['more bytes, none of which would be kept', [ann, ['junk', 'x'.repeat(1_000_000)]], tooMuch],
  ['more files, all empty', Array.from({ length: 300 }, (_, number): Entry => [`ann/${number}.json`, '']), tooMuch],
  [
    'more folders',
    Array.from({ length: 300 }, (_, number): Entry => [`a${number}/`, '', { type: 'directory' }]),
    tooMuch,
  ],
  [
    'too large a manifest',
    [['kss-backup.json', 'x'.repeat(65_537)], ann],
    new BadBackup('its kss-backup.json is too large'),
  ],
] satisfies [string, Entry[], BadBackup][]) {
  t.test(`an archive that holds ${what} than it may is refused`, async (t) => {
    const dir = t.testdir({ state: {} })
    const archive = join(dir, 'kss.tar.gz')
    await writeEntries(archive, entries)
    await t.rejects(unpackBackup(archive, join(dir, 'state'), 1_000_000), expected)
  })
}

t.test('an archive within the limit is unpacked', async (t) => {
  const dir = t.testdir({ state: {} })
  await writeEntries(join(dir, 'kss.tar.gz'), [ann, ['ann/abc.json', 'x'.repeat(900_000)]])
  await unpackBackup(join(dir, 'kss.tar.gz'), join(dir, 'state'), 1_000_000)
  t.same((await readdir(join(dir, 'state', 'ann'))).toSorted(), ['abc.json', 'auth.json'])
})
