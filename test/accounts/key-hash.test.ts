import { pbkdf2Sync, scryptSync } from 'node:crypto'
import t from 'tap'
import { hashKey, isHash, matchesHash } from '../../src/accounts/key-hash.ts'

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

// The check values that Openwall gives for bcrypt; all three prefixes mean the same.
const bcrypt = '05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'

for (const prefix of ['$2a$', '$2b$', '$2y$']) {
  t.test(`a ${prefix} hash of KoInsight matches its key only`, async (t) => {
    t.ok(isHash(prefix + bcrypt))
    t.ok(await matchesHash('U*U', prefix + bcrypt))
    t.notOk(await matchesHash('U*u', prefix + bcrypt))
    t.notOk(await matchesHash(prefix + bcrypt, prefix + bcrypt), 'and the hash is no key')
  })
}

/** As crosspoint-sync does: the salt is the text, not the bytes that it stands for. */
function pbkdf2(key: string, iterations: number): string {
  const salt = '00112233445566778899aabbccddeeff'
  return `pbkdf2$${iterations}$${salt}$${pbkdf2Sync(key, salt, iterations, 32, 'sha256').toString('hex')}`
}

for (const iterations of [1, 10_000, 1_000_000]) {
  t.test(`a PBKDF2 hash of crosspoint-sync with ${iterations} iterations matches its key only`, async (t) => {
    const hash = pbkdf2('K', iterations)
    t.ok(isHash(hash))
    t.ok(await matchesHash('K', hash))
    t.notOk(await matchesHash('k', hash))
    t.notOk(await matchesHash(hash, hash), 'and the hash is no key')
  })
}

for (const phc of [
  '$scrypt$',
  '$scrypt$ln=14,r=8,p=1$$',
  '$scrypt$ln=99,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0',
  '$scrypt$ln=14,r=99,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0',
  '$scrypt$ln=14,r=8,p=99$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0',
  '$2b$',
  '$2b$05$short',
  `$2b$03$${bcrypt.slice(3)}`,
  `$2b$15$${bcrypt.slice(3)}`,
  `$2b$31$${bcrypt.slice(3)}`,
  `$2b$${bcrypt}=`,
  'pbkdf2$',
  `pbkdf2$10000$salt$`,
  `pbkdf2$10000$$${'0'.repeat(64)}`,
  `pbkdf2$0$salt$${'0'.repeat(64)}`,
  `pbkdf2$1e3$salt$${'0'.repeat(64)}`,
  `pbkdf2$1000001$salt$${'0'.repeat(64)}`,
  `pbkdf2$10000$salt$${'0'.repeat(62)}`,
  `pbkdf2$10000$salt$${'g'.repeat(64)}`,
]) {
  t.test(`nothing matches the damaged hash ${phc}`, async (t) => {
    t.ok(isHash(phc), 'and it is no plain key either')
    t.notOk(await matchesHash(phc, phc))
    t.notOk(await matchesHash('K', phc))
  })
}
