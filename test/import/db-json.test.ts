import { utimes } from 'node:fs/promises'
import t from 'tap'
import { readDbJson } from '../../src/import/db-json.ts'
import { SourceError } from '../../src/import/source.ts'
import { collect, write } from './collect.ts'

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const record = { progress: '/body/p[3]', percentage: 0.25, device: 'Kobo', device_id: 'D1', timestamp: 1_700_000_000 }

// b1n4ryj4n/koreader-sync, kosync.py; TinyDB numbers the records of a table from 1.
t.test('reads the tables of users and documents', async (t) => {
  const path = await write(t, {
    _default: {},
    users: { '1': { username: 'ann', password: key }, '2': { username: 'bob', password: key } },
    documents: {
      '1': { username: 'ann', document: 'abc', ...record },
      '2': { username: 'ann', document: 'def', ...record, timestamp: 1_700_000_001 },
      '4': { username: 'gone', document: 'abc', ...record },
    },
  })
  t.strictSame(await collect(readDbJson(path)), {
    users: [
      {
        username: 'ann',
        key,
        documents: [
          { rows: [{ document: 'abc', ...record }] },
          { rows: [{ document: 'def', ...record, timestamp: 1_700_000_001 }] },
        ],
      },
      { username: 'bob', key, documents: [] },
    ],
    problems: ['user "gone": has records (1), but no account there'],
  })
})

t.test('tells what cannot come, and brings the rest', async (t) => {
  const path = await write(t, {
    users: { '1': 5, '2': { username: 'a:b' }, '3': { username: 'ann', password: '$2b$04$x' } },
    documents: {
      '1': { username: 'ann', document: 'abc', ...record, progress: null },
      '2': null,
      '3': { username: 'ann', document: 'def', ...record, timestamp: null },
    },
  })
  await utimes(path, 5, 1234.5)
  t.strictSame(await collect(readDbJson(path)), {
    users: [{ username: 'ann', documents: [{ rows: [{ document: 'def', ...record, timestamp: 1234 }] }] }],
    problems: [
      'user undefined: cannot be a user name here',
      'user "a:b": cannot be a user name here',
      'user "ann", document "abc": has no progress',
      'user "ann": the key cannot be used here',
    ],
  })
})

t.test('reads a file without documents, and refuses one without users', async (t) => {
  t.strictSame(await collect(readDbJson(await write(t, { users: {} }))), { users: [], problems: [] })
  const path = await write(t, { documents: {} })
  const message = `${path} has no users. Give the path of the db.json of the other server.`
  await t.rejects(collect(readDbJson(path)), new SourceError(message))
})

t.test('refuses a file whose documents are no table', async (t) => {
  const path = await write(t, { users: {}, documents: [] })
  const message = `${path} has no table of documents. Give the path of the db.json of the other server.`
  await t.rejects(collect(readDbJson(path)), new SourceError(message))
})
