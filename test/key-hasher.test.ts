import t from 'tap'
import { KeyHasher } from '../src/key-hasher.ts'

const options = { hashKeys: true, scryptCost: 14 }

t.test('a key is stored as a hash of the cost that is set', async (t) => {
  const hasher = new KeyHasher({ ...options, scryptCost: 15 })
  const hash = await hasher.hash('K')
  t.match(hash, /^\$scrypt\$ln=15,r=8,p=1\$/)
  t.ok(await hasher.matches('K', hash, 'first'))
  t.notOk(await hasher.matches('L', hash, 'first'))
  t.notOk(hasher.isWeak(hash))
  t.ok(hasher.isWeak(await new KeyHasher(options).hash('K')))
  t.ok(hasher.isWeak('plain'))
})

t.test('or as it is, unless it would be taken for a hash', async (t) => {
  const hasher = new KeyHasher({ ...options, hashKeys: false })
  t.equal(await hasher.hash('K'), 'K')
  for (const forged of [
    '$scrypt$ln=20,r=8,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA',
    '$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
    'pbkdf2$1$salt$00',
  ]) {
    const hash = await hasher.hash(forged)
    t.match(hash, /^\$scrypt\$ln=14,/)
    t.ok(await hasher.matches(forged, hash, 'first'))
  }
  t.notOk(hasher.isWeak('plain'))
})

t.test('what another server made of a key is weak, unless hashes are to stay as they are', async (t) => {
  for (const foreign of ['$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'pbkdf2$10000$salt$00']) {
    t.ok(new KeyHasher(options).isWeak(foreign))
    t.notOk(new KeyHasher({ ...options, hashKeys: false }).isWeak(foreign))
  }
})

t.test('a check for nobody that failed is made anew the next time', async (t) => {
  // More than scrypt can do, as when there is no memory.
  const changing = { ...options, scryptCost: 60 }
  const hasher = new KeyHasher(changing)
  await t.rejects(hasher.matchNobody('K', 'later'))
  changing.scryptCost = 8
  await t.resolves(hasher.matchNobody('K', 'later'))
})
