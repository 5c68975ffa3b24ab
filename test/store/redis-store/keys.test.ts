import fc from 'fast-check'
import t from 'tap'
import {
  bridgeKeysOf,
  globalKeys,
  keysOf,
  keysOfCluster,
  parseKey,
  parseOwnKey,
  parseKeyOfCluster,
} from '../../../src/store/redis-store/keys.ts'
import { slotOf } from '../../../src/store/redis-store/topology.ts'
import { hardNames } from '../contract.ts'

/** Names that look like parts of keys are likelier than at random. */
const part = fc.constantFrom(
  ':',
  'key',
  'document',
  'kss',
  'user',
  'account',
  'history',
  'documents',
  '{',
  '}',
  'a',
  '',
)
const name = fc.oneof(
  fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('') || 'x'),
  fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(':') || 'x'),
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.constantFrom(...hardNames, ':61', ':6162', '::'),
)
/** The wire takes no document with a colon. */
const document = name.map((text) => text.replaceAll(':', '') || 'x')

const allOf = (username: string, id: string): string[] => {
  const keys = keysOf(username)
  const { key, account, documents, records, histories } = keys
  return [key, account, documents, ...Object.values(bridgeKeysOf(keys, 'id')), records + id, histories + id]
}

t.test('no two names meet, whatever they look like', async () => {
  fc.assert(
    fc.property(name, document, name, document, (one, its, other, others) => {
      const meets = allOf(one, its).filter((key) => allOf(other, others).includes(key))
      const expected = one !== other ? [] : its === others ? allOf(one, its) : allOf(one, its).slice(0, 6)
      return meets.length === expected.length && new Set(allOf(one, its)).size === 8
    }),
    { numRuns: 2000 },
  )
})

t.test('no name meets what belongs to no account', async () => {
  const { session, sessionsOf, ...fixed } = globalKeys
  fc.assert(
    fc.property(name, document, (username, id) =>
      allOf(username, id).every(
        (key) => !Object.values(fixed).includes(key) && !key.startsWith(session) && !key.startsWith(sessionsOf),
      ),
    ),
  )
})

t.test('a key of the official layout tells its user and document', async () => {
  fc.assert(
    fc.property(name, document, (username, id) => {
      const { key, records } = keysOf(username)
      const [user, record] = [parseKey(key), parseKey(records + id)]
      return user?.username === username && record?.username === username && record.document === id
    }),
  )
})

t.test('other keys tell nothing', async (t) => {
  for (const key of ['user::xyz:key', 'user:a:b', 'user::key', 'user:a:document:', 'kss:users', 'x']) {
    t.equal(parseKey(key), undefined, key)
  }
})

t.test('the layout of a name without a colon is that of the official server', async (t) => {
  t.match(keysOf('ann'), { key: 'user:ann:key', records: 'user:ann:document:' })
  t.match(keysOf('a:b'), { key: 'user::613a62:key', records: 'user::613a62:document:' })
})

t.test('in a cluster all keys of a name are in one slot, and tell of it', async () => {
  fc.assert(
    fc.property(name, document, (username, id) => {
      const { key, account, documents, records, histories } = keysOfCluster(username)
      const slots = new Set([key, account, documents, records + id, histories + id].map(slotOf))
      const [user, record] = [parseKeyOfCluster(key), parseKeyOfCluster(records + id)]
      return slots.size === 1 && user?.username === username && record?.document === id
    }),
  )
})

t.test('other keys tell nothing in a cluster', async (t) => {
  for (const key of ['user:ann:key', 'user:{616e6e}', 'user:{xyz}:key', 'kss:users']) {
    t.equal(parseKeyOfCluster(key), undefined, key)
  }
})

t.test('what kss adds to an account is known by its key', async (t) => {
  for (const [keys, parse] of [
    [keysOf, parseKey],
    [keysOfCluster, parseKeyOfCluster],
  ] as const) {
    for (const username of ['ann', 'a:b', '李', 'a}b']) {
      const { account, documents, histories } = keys(username)
      t.match(parseOwnKey(account, parse), { username, kind: 'account' })
      t.match(parseOwnKey(documents, parse), { username, kind: 'documents' })
      t.match(parseOwnKey(`${histories}a:b`, parse), { username, kind: undefined, document: 'a:b' })
    }
    for (const key of ['kss:users', 'kss:{ann}:other', 'user:ann:key', 'kss:{:zz}:account']) {
      t.equal(parseOwnKey(key, parse), undefined, key)
    }
  }
  t.equal(parseOwnKey('kss:{zz}:account', parseKeyOfCluster), undefined)
})
