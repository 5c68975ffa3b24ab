import type * as bcryptjs from 'bcryptjs'
import t from 'tap'
import { importOptional } from '../../src/import/optional-package.ts'
import { SourceError } from '../../src/import/source.ts'

t.test('a package that is there is loaded', async (t) => {
  const { compareSync } = await importOptional<typeof bcryptjs>('bcryptjs', '3')
  t.type(compareSync, 'function')
})

t.test('one that is missing is named in a line that says how to get it', async (t) => {
  const error: unknown = await importOptional('@not/there', '6').catch((reason: unknown) => reason)
  t.ok(error instanceof SourceError)
  t.match(error, {
    message: 'This import needs the package @not/there, which is not installed. Try: npm i -g @not/there@6',
  })
})

t.test('one that is broken is not said to be missing', async (t) => {
  const dir = t.testdir({ 'broken.mjs': 'throw new TypeError("broken")' })
  await t.rejects(importOptional(`${dir}/broken.mjs`, '1'), new TypeError('broken'))
})
