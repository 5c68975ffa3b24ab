import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseSource, readSourceFile, toSourceError } from '../../src/import/source-file.ts'
import { SourceError } from '../../src/import/source.ts'

t.test('says what to give in the place of a path that cannot be read', async (t) => {
  const cause = Object.assign(new Error('x'), { code: 'EIO' })
  t.same(
    toSourceError(cause, '/a', 'a file'),
    new SourceError('/a cannot be read (EIO). Give the path of a file.', { cause }),
  )
})

t.test('says that a file is larger than a text can be, without reading it', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file')
  await truncate(path, 2 ** 30)
  await t.rejects(readSourceFile(path, 'a file'), new SourceError(`${path} is too large: over 512 MB`))
})

t.test('refuses a file that is not UTF-8, where two names could become one', async (t) => {
  const bytes = Buffer.from('{"Zo\xeb":{},"Zo\xe9":{}}', 'latin1')
  const message = '/a is not UTF-8. Give the path of a file, saved as UTF-8.'
  t.throws(() => parseSource(bytes, '/a', 'a file'), new SourceError(message))
})

t.test('leaves an error that says so already', async (t) => {
  const error = new SourceError('/a is no good.')
  t.equal(toSourceError(error, '/a', 'a file'), error)
})

t.test('does not hide a mistake of ours', async (t) => {
  const mistake = new TypeError('x is not a function')
  t.throws(() => toSourceError(mistake, '/a', 'a file'), mistake)
})
