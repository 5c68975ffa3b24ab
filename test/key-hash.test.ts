import { scryptSync } from 'node:crypto'
import t from 'tap'
import { hashKey, isHash, matchesHash } from '../src/key-hash.ts'

t.test('a hash is a PHC string of scrypt, with a salt of its own', async (t) => {
  const hash = await hashKey('K')
  const [, , params, salt = '', digest] = hash.split('$')
  t.equal(params, 'ln=14,r=8,p=1')
  const expected = scryptSync('K', Buffer.from(salt, 'base64'), 32, { N: 2 ** 14, r: 8, p: 1 })
  t.equal(digest, expected.toString('base64').replace('=', ''))
  t.not(await hashKey('K'), hash)
  t.ok(isHash(hash))
  t.notOk(isHash('5ebe2294ecd0e0f08eab7690d2a6ee69'))
})

t.test('only the same key matches, case and all', async (t) => {
  const hash = await hashKey('Kłucz', 10)
  t.ok(await matchesHash('Kłucz', hash))
  t.notOk(await matchesHash('kłucz', hash))
  t.notOk(await matchesHash('', hash))
})

for (const phc of [
  '$scrypt$',
  '$scrypt$ln=14,r=8,p=1$$',
  '$scrypt$ln=99,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0',
  '$scrypt$ln=14,r=99,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0',
  '$scrypt$ln=14,r=8,p=99$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0',
]) {
  t.test(`nothing matches the damaged hash ${phc}`, async (t) => {
    t.notOk(await matchesHash('K', phc))
  })
}
