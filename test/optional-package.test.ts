import type * as bcryptjs from 'bcryptjs'
import t from 'tap'
import { importOptional, MissingPackage } from '../src/optional-package.ts'

t.test('a package that is there is loaded', async (t) => {
  const { compareSync } = await importOptional<typeof bcryptjs>('bcryptjs', '3', 'This')
  t.type(compareSync, 'function')
})

t.test('one that is missing is named in a line that says how to get it', async (t) => {
  const error: unknown = await importOptional('@not/there', '6', 'KSS_STORE').catch((reason: unknown) => reason)
  t.ok(error instanceof MissingPackage)
  t.match(error, {
    message: 'KSS_STORE needs the package @not/there, which is not installed. Try: npm i -g @not/there@6',
  })
})
