import t from 'tap'
import { hashKey, logNOf, matchesHash } from '../../src/accounts/key-hash.ts'
import { KeyHasher } from '../../src/accounts/key-hasher.ts'

const options = { hashKeys: true, scryptCost: 8 }
const bcrypt = '$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
const pbkdf2 = 'pbkdf2$1$salt$00'

t.test('a key is stored as a hash of the cost that is set', async (t) => {
  const hasher = new KeyHasher({ ...options, scryptCost: 9 })
  const hash = await hasher.hash('K')
  t.match(hash, /^\$scrypt\$ln=9,r=8,p=1\$/)
  t.same(await hasher.check('K', hash, 'first'), { matches: true, stronger: undefined })
  t.same(await hasher.check('L', hash, 'first'), { matches: false, stronger: undefined })
})

t.test('or as it is, unless it would be taken for a hash', async (t) => {
  const hasher = new KeyHasher({ ...options, hashKeys: false })
  t.equal(await hasher.hash('K'), 'K')
  for (const forged of ['$scrypt$ln=20,r=8,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA', bcrypt, pbkdf2]) {
    const hash = await hasher.hash(forged)
    t.equal(logNOf(hash), 8)
    t.match(await hasher.check(forged, hash, 'first'), { matches: true })
  }
})

t.test('what is weaker than a hash of the cost that is set gets a stronger one, for the right key only', async (t) => {
  const hasher = new KeyHasher({ ...options, scryptCost: 9 })
  for (const stored of ['K', await hashKey('K', 8)]) {
    const { matches, stronger = '' } = await hasher.check('K', stored, 'first')
    t.ok(matches)
    t.equal(logNOf(stronger), 9)
    t.ok(await matchesHash('K', stronger))
    t.same(await hasher.check('L', stored, 'first'), { matches: false, stronger: undefined })
    const keeping = new KeyHasher({ hashKeys: false, scryptCost: 9 })
    t.same(await keeping.check('K', stored, 'first'), { matches: true, stronger: undefined })
  }
})

t.test('a check for nobody that failed is made anew the next time', async (t) => {
  // More than scrypt can do, as when there is no memory.
  const changing = { ...options, scryptCost: 60 }
  const hasher = new KeyHasher(changing)
  await t.rejects(hasher.checkNobody('K'))
  changing.scryptCost = 8
  await t.resolves(hasher.checkNobody('K'))
})
