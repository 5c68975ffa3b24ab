import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { kss } from './kss.ts'

// printf x | md5sum
const binary = '9dd4e461268c8034f5c8564e155c67a6'

t.test('both ids of a book are printed, in the way of md5sum', async (t) => {
  const book = join(t.testdir({ 'Dune.epub': 'x' }), 'Dune.epub')
  const ended = await kss(t, ['hash', book])
  t.equal(ended.code, 0)
  t.match(ended.stdout, new RegExp(`^${binary}  binary    ${book}\n[0-9a-f]{32}  filename  ${book}\n$`))
})

t.test('--json is for scripts', async (t) => {
  const book = join(t.testdir({ 'Dune.epub': 'x' }), 'Dune.epub')
  const { stdout } = await kss(t, ['hash', '--json', book])
  t.match(JSON.parse(stdout), [{ file: book, binary, filename: /^[0-9a-f]{32}$/ }])
})

t.test('- reads standard input, which has no file name', async (t) => {
  const file = await open(join(t.testdir({ book: 'x' }), 'book'))
  t.teardown(() => file.close())
  t.same(await kss(t, ['hash', '-'], {}, file.fd), { code: 0, stdout: `${binary}  binary    -\n`, stderr: '' })
})

t.test('a file that can not be read is named, the others are hashed, and the exit code is 1', async (t) => {
  const dir = t.testdir({ book: 'x' })
  const ended = await kss(t, ['hash', join(dir, 'none'), dir, join(dir, 'book')])
  t.equal(ended.code, 1)
  t.match(ended.stderr, /^Cannot read .*none: ENOENT.*\nCannot read .*: EISDIR.*\n$/)
  t.match(ended.stdout, binary)
})
