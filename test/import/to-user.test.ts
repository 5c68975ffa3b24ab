import t from 'tap'
import { toUser, type Account, type Row } from '../../src/import/to-user.ts'

const fields = { document: 'dune', percentage: 0.5, progress: '56', device: 'kobo', timestamp: 1000 }
const read = (account: Account, ...rows: Row[]) => [...toUser(account, rows, 7)]

t.test('rows come together by document, with the name that their user gave it', async (t) => {
  const rows = [fields, { ...fields, document: 'emma', device_id: 'A' }, { ...fields, timestamp: null }]
  t.same(read({ username: 'ann', key: 'K' }, ...rows.map((row) => ({ fields: row, title: row.document }))), [
    {
      username: 'ann',
      key: 'K',
      documents: [
        { title: 'dune', rows: [fields, { ...fields, timestamp: 7 }] },
        { title: 'emma', rows: [{ ...fields, document: 'emma', device_id: 'A' }] },
      ],
    },
  ])
})

t.test('a user without rows or key comes all the same', async (t) => {
  t.same(read({ username: 'Zoë 🐈' }), [{ username: 'Zoë 🐈', documents: [] }])
  t.same(read({ username: '🐈'.repeat(255) }), [{ username: '🐈'.repeat(255), documents: [] }])
})

/** JSON.stringify could not write it. */
const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)

for (const username of ['', 'a:b', 'a\nb', ' ann', 'ann ', 'x'.repeat(256), '\ud800', 5, null, undefined]) {
  t.test(`a user cannot be called ${JSON.stringify(username)}`, async (t) => {
    t.same(read({ username, key: 'K' }, { fields }), [
      {
        problem: `user ${JSON.stringify(username)?.replace('x'.repeat(256), `${'x'.repeat(120)}…`)}: cannot be a user name here`,
        username,
      },
    ])
  })
}

for (const [what, change, problem] of [
  ['no document', { document: undefined }, 'user "ann", document undefined: has no document'],
  ['an object for one', { document: deep }, 'user "ann", document that is an object: is nested too deeply'],
  [
    'more than a reader sends',
    { progress: 'x'.repeat(65_536) },
    'user "ann", document "dune": is larger than any position of a reader',
  ],
  ['an empty one', { document: '' }, 'user "ann", document "": has no document'],
  ['one with a colon', { document: 'a:b' }, 'user "ann", document "a:b": cannot be a document here'],
  ['no progress', { progress: null }, 'user "ann", document "dune": has no progress'],
  ['a percentage that is none', { percentage: 'half' }, 'user "ann", document "dune": has no percentage'],
  ['a lone surrogate in progress', { progress: '\ud800' }, 'user "ann", document "dune": is not valid Unicode'],
  ['one in device', { device: '\ud800' }, 'user "ann", document "dune": is not valid Unicode'],
  ['one in device_id', { device_id: '\ud800' }, 'user "ann", document "dune": is not valid Unicode'],
] as const) {
  t.test(`a row with ${what} is a problem, and the others come`, async (t) => {
    const other = { ...fields, document: 'emma' }
    t.same(read({ username: 'ann' }, { fields: { ...fields, ...change } }, { fields: other }), [
      { problem, username: 'ann' },
      { username: 'ann', documents: [{ rows: [other] }] },
    ])
  })
}

t.test('a user cannot be called by an object', async (t) => {
  t.match(read({ username: deep }), [{ problem: 'user that is an object: cannot be a user name here' }])
})

for (const key of ['', ' K', 'K\n', 'x'.repeat(1025), 5, null, 'plain']) {
  t.test(`the key ${JSON.stringify(key).slice(0, 20)} does not come, and the user does`, async (t) => {
    t.same(read({ username: 'ann', key, keyPattern: /^\$/ }), [
      { problem: 'user "ann": the key cannot be used here', username: 'ann' },
      { username: 'ann', documents: [] },
    ])
  })
}
