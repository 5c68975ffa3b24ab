import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { SourceError } from '../../src/import/source.ts'
import { readUsersJson } from '../../src/import/users-json.ts'
import { collect, write } from './collect.ts'

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const record = { progress: '/body/p[3]', percentage: 0.25, device: 'Kobo', device_id: 'D1', timestamp: 1_700_000_000 }

t.test('reads users, their keys and their documents', async (t) => {
  const path = await write(t, {
    ann: { username: 'ann', userkey: key, documents: { abc: record, def: { ...record, percentage: '0.5', more: 1 } } },
    bob: { username: 'bob', userkey: key },
    eve: { username: 'eve', documents: {} },
  })
  t.strictSame(await collect(readUsersJson(path)), {
    users: [
      {
        username: 'ann',
        key,
        documents: [
          { rows: [{ document: 'abc', ...record }] },
          { rows: [{ document: 'def', ...record, percentage: 0.5 }] },
        ],
      },
      { username: 'bob', key, documents: [] },
      { username: 'eve', documents: [] },
    ],
    problems: [],
  })
})

t.test('takes the time of the file for a record without one', async (t) => {
  const path = await write(t, { ann: { userkey: key, documents: { abc: { ...record, timestamp: null } } } })
  await utimes(path, 5, 1234.5)
  const { users } = await collect(readUsersJson(path))
  t.equal(users[0]?.documents[0]?.rows[0]?.timestamp, 1234)
})

t.test('reads a file without users, and one with a byte order mark', async (t) => {
  t.strictSame(await collect(readUsersJson(await write(t, {}))), { users: [], problems: [] })
  t.strictSame(await collect(readUsersJson(await write(t, '\ufeff{}'))), { users: [], problems: [] })
})

t.test('takes names of Object.prototype for names', async (t) => {
  const text = `{"__proto__": {"userkey": "${key}", "documents": {"__proto__": ${JSON.stringify(record)}}},
    "constructor": {"userkey": "${key}", "documents": {"toString": ${JSON.stringify(record)}}}}`
  const { users, problems } = await collect(readUsersJson(await write(t, text)))
  t.strictSame(problems, [])
  t.strictSame(
    users.map(({ username, documents }) => [username, documents[0]?.rows[0]?.document]),
    [
      ['__proto__', '__proto__'],
      ['constructor', 'toString'],
    ],
  )
  t.equal(Object.hasOwn(Object.prototype, 'userkey'), false)
})

t.test('tells what cannot come, and brings the rest', async (t) => {
  const good = { userkey: key, documents: { abc: record } }
  for (const [more, problem] of [
    [{ 'a:b': good }, 'user "a:b": kss takes no such name'],
    [{ ' a': good }, 'user " a": kss takes no such name'],
    [{ '': good }, 'user "": kss takes no such name'],
    [{ 'a\n\u009b\u202e': good }, String.raw`user "a\n\u009b\u202e": kss takes no such name`],
    [{ ['x'.repeat(256)]: good }, `user "${'x'.repeat(120)}…": kss takes no such name`],
    [{ bob: null }, 'user "bob": has neither userkey nor documents'],
    [{ bob: [] }, 'user "bob": has neither userkey nor documents'],
    [{ bob: { userkey: 5 } }, 'user "bob": has neither userkey nor documents'],
  ] as const) {
    const { users, problems } = await collect(readUsersJson(await write(t, { ...more, ann: good })))
    t.strictSame(problems, [problem])
    t.match(users, [{ username: 'ann', documents: [{ rows: [record] }] }])
    t.equal(users.length, 1)
  }
})

t.test('brings a user without what of theirs cannot come', async (t) => {
  const where = 'user "bob", document "abc"'
  for (const [user, problem] of [
    [{ userkey: ' k ' }, 'user "bob": comes without the x-auth-key, which no reader can send'],
    [{ userkey: '$scrypt$x' }, 'user "bob": comes without the x-auth-key, which no reader can send'],
    [{ userkey: '', documents: [] }, 'user "bob": the documents are not a JSON object'],
    [{ documents: { abc: 5 } }, `${where}: is not a record`],
    [{ documents: { abc: {} } }, `${where}: has no progress`],
    [{ documents: { abc: { ...record, percentage: 'x' } } }, `${where}: has no percentage`],
    [{ documents: { abc: { ...record, percentage: { valueOf: 1, toString: 1 } } } }, `${where}: has no percentage`],
    [{ documents: { abc: { ...record, progress: '\ud800' } } }, `${where}: its progress is not Unicode`],
    [{ documents: { abc: { ...record, device: '\ud800' } } }, `${where}: its device is not Unicode`],
    [{ documents: { 'a:b': record } }, 'user "bob", document "a:b": kss takes no document "a:b"'],
    [{ documents: { '': record } }, 'user "bob", document "": has no document'],
    [
      { documents: { ['é'.repeat(1025)]: record } },
      `user "bob", document "${'é'.repeat(120)}…": kss takes no document "${'é'.repeat(120)}…"`,
    ],
  ] as const) {
    const { users, problems } = await collect(readUsersJson(await write(t, { bob: user })))
    t.strictSame(problems, [problem])
    t.strictSame(users, [{ username: 'bob', documents: [] }])
  }
})

t.test('drops a device_id that is empty or none', async (t) => {
  for (const device_id of ['', null, 5, '\ud800']) {
    const { users } = await collect(
      readUsersJson(await write(t, { ann: { userkey: key, documents: { abc: { ...record, device_id } } } })),
    )
    const { device_id: _none, ...rest } = record
    t.strictSame(users[0]?.documents[0]?.rows, [{ document: 'abc', ...rest }])
  }
})

t.test('says which file to give', async (t) => {
  const folder = t.testdir({})
  const advice = 'Give the path of the users.json of the other server.'
  for (const [path, message] of [
    [join(folder, 'none.json'), 'is not there.'],
    [join(await write(t, {}, 'file'), 'below'), 'is not there.'],
    [folder, 'is not a file.'],
    ['/nul\0', 'cannot be read (ERR_INVALID_ARG_VALUE).'],
    [await write(t, 'no JSON', 'text'), 'does not hold a JSON object.'],
    [await write(t, [], 'list'), 'does not hold a JSON object.'],
    [await write(t, { name: 'x', dependencies: {} }, 'package'), 'holds no user with a userkey or documents.'],
  ] as const) {
    await t.rejects(collect(readUsersJson(path)), new SourceError(`${path} ${message} ${advice}`))
  }
})

t.test('reads a hundred thousand documents', async (t) => {
  const documents = Object.fromEntries(Array.from({ length: 100_000 }, (_none, at) => [`d${at}`, record]))
  const { users } = await collect(readUsersJson(await write(t, { ann: { userkey: key, documents } })))
  t.equal(users[0]?.documents.length, 100_000)
})
