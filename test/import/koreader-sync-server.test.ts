import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createHttpServer } from 'node:http'
import t from 'tap'
import { readKoreaderSyncServer } from '../../src/import/koreader-sync-server.ts'
import type { Source } from '../../src/import/source.ts'
import { collect, failure } from './collect.ts'
import { startFakeRedis } from './fake-redis.ts'
import { freePort } from '../free-port.ts'
import { noRedis, startRedis } from '../redis.ts'

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const written = [
  'percentage',
  '0.3186',
  'progress',
  '/body/p[7]',
  'device',
  'Kobo',
  'device_id',
  'A',
  'timestamp',
  '99',
]
const stored = { percentage: '0.3186', progress: '/body/p[7]', device: 'Kobo', device_id: 'A', timestamp: '99' }
const row = { percentage: 0.3186, progress: '/body/p[7]', device: 'Kobo', device_id: 'A', timestamp: 99 }
const byName = (a: { username: string }, b: { username: string }) => (a.username < b.username ? -1 : 1)

t.test('a key that SCAN names twice comes once, and what goes away meanwhile does not come', async (t) => {
  const documentKey = 'user:ann:document:dune'
  const gone = ['user:ann:document:gone', 'user:gone:key']
  const data = {
    'user:ann:key': key,
    'user:ann:document:text': 'no hash',
    'user:list:key': {},
    'user:bytes:key': '\xff',
    [documentKey]: { ...row, percentage: '0.3186', timestamp: '99' },
    'user:keyless:document:emma': { progress: '56' },
  }
  const pages = [[documentKey, 'user:ann:key'], [], Object.keys(data), [documentKey, ...gone, 'user:\xff:key']]
  const host = await startFakeRedis(t, data, pages)
  t.same(await collect(readKoreaderSyncServer(`redis://${host}`)), {
    users: [
      { username: 'ann', key, documents: [{ rows: [{ document: 'dune', ...row }] }] },
      { username: 'list', documents: [] },
      { username: 'bytes', documents: [] },
      {
        username: 'keyless',
        documents: [{ rows: [{ document: 'emma', progress: '56', percentage: 0, device: '', timestamp: 0 }] }],
      },
    ],
    problems: [
      'key "user:ÿ:key": is not UTF-8',
      'user "ann", document "text": has no progress',
      'user "list": the key cannot be used here',
      'user "bytes": the key cannot be used here',
    ],
  })
})

// koreader/koreader-sync-server, syncs_controller.lua: a null of the body passes its checks, and lua-resty-redis writes
// what is no string with tostring().
t.test('what was null in a push is as if it had not been sent', async (t) => {
  const none = 'userdata: NULL'
  const data = {
    'user:ann:key': key,
    'user:ann:document:dune': { ...stored, device_id: none, device: none },
    'user:ann:document:emma': { ...stored, progress: none },
  }
  const host = await startFakeRedis(t, data, [Object.keys(data)])
  const { device_id: _none, ...rest } = row
  t.same(await collect(readKoreaderSyncServer(`redis://${host}`)), {
    users: [{ username: 'ann', key, documents: [{ rows: [{ document: 'dune', ...rest, device: '' }] }] }],
    problems: ['user "ann", document "emma": has no progress'],
  })
})

t.test('says in a line that Redis refuses to answer', async (t) => {
  const host = await startFakeRedis(t, { 'user:ann:key': '-BUSY with a script' }, [['user:ann:key']])
  const line = `Redis at ${host}, database 1, cannot be read: BUSY with a script`
  t.equal(await failure(readKoreaderSyncServer(`redis://${host}`)), line)
})

t.test('says in a line that Redis names keys without end', async (t) => {
  const host = await startFakeRedis(t, {}, [['user:ann:key'], [], []])
  const line = `Redis at ${host}, database 1, names keys without end; is it a Redis?`
  t.equal(await failure(readKoreaderSyncServer(`redis://${host}`, undefined, 2)), line)
})

t.test('says in a line that there are no users', async (t) => {
  const host = await startFakeRedis(t, {}, [['user:x', 'session:5']])
  const line = `Redis at ${host}, database 1, has no users of a sync server. The official one uses /1, Koshelf's /3`
  t.equal(await failure(readKoreaderSyncServer(`redis://${host}`)), line)
})

t.test('with a Redis', { skip: noRedis }, async (t) => {
  await t.test('reads users, keys and documents of database 1 unless another is named', async (t) => {
    const { host, command } = await startRedis(t)
    for (const database of [1, 3]) {
      await command(database, 'SET', 'user:Zoë 🐈:key', key)
      await command(database, 'SET', 'user:bob:key', 'another')
      await command(database, 'HSET', `user:Zoë 🐈:document:in-${database}`, ...written)
    }
    // Of newer and other programs.
    await command(1, 'HSET', 'user:bob:document:dune', ...written, 'identifiers', 'isbn:5')
    await command(1, 'SET', 'user:bob:alias:emma', 'isbn:dune')
    await command(1, 'SET', 'session:5', 'x')
    for (const [path, database] of [
      ['', 1],
      ['/', 1],
      ['/1', 1],
      ['/3', 3],
    ] as const) {
      const { users, problems } = await collect(readKoreaderSyncServer(`redis://${host}${path}`))
      t.same(users.toSorted(byName), [
        { username: 'Zoë 🐈', key, documents: [{ rows: [{ document: `in-${database}`, ...row }] }] },
        {
          username: 'bob',
          key: 'another',
          documents: database === 1 ? [{ rows: [{ document: 'dune', ...row }] }] : [],
        },
      ])
      t.same(problems, [])
    }
  })

  await t.test('reads more than one answer of SCAN holds', async (t) => {
    const { host, command } = await startRedis(t)
    const script = `for i = 1, 5000 do redis.call('HSET', 'user:ann:document:d' .. i, 'progress', tostring(i)) end`
    await command(1, 'EVAL', script, '0')
    await command(1, 'SET', 'user:ann:key', key)
    const { users, problems } = await collect(readKoreaderSyncServer(`redis://${host}`))
    t.same(problems, [])
    const documents = users.flatMap((user) => user.documents.map(({ rows: [first] }) => first))
    t.equal(documents.length, 5000)
    for (const found of documents) t.equal(found?.document, `d${found?.progress}`)
  })

  await t.test('what cannot come is a problem, and the others come', async (t) => {
    const { host, command } = await startRedis(t)
    await command(1, 'SET', Buffer.from('user:\xff:key', 'latin1'), key)
    await command(1, 'SET', 'user:ann:key', '$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')
    await command(1, 'HSET', 'user:ann:document:good', ...written)
    await command(1, 'HSET', 'user:ann:document:empty', 'device', 'Kobo')
    await command(1, 'HSET', 'user:ann:document:bytes', 'progress', Buffer.from('\xff', 'latin1'))
    await command(1, 'HSET', 'user:ann:document:other', 'note', 'mine')
    await command(1, 'SET', 'user:ann:document:text', 'x')
    await command(1, 'HSET', 'user:list:key', 'a', 'b')
    await command(1, 'SET', 'user:bytes:key', Buffer.from('\xff', 'latin1'))
    await command(1, 'HSET', 'user:keyless:document:good', ...written)
    const { users, problems } = await collect(readKoreaderSyncServer(`redis://${host}`))
    const documents = [{ rows: [{ document: 'good', ...row }] }]
    t.same(users.toSorted(byName), [
      { username: 'ann', documents },
      { username: 'bytes', documents: [] },
      { username: 'keyless', documents },
      { username: 'list', documents: [] },
    ])
    t.same(problems.toSorted(), [
      'key "user:ÿ:key": is not UTF-8',
      'user "ann", document "bytes": is not valid Unicode',
      'user "ann", document "empty": has no progress',
      'user "ann", document "text": has no progress',
      'user "ann": the key cannot be used here',
      'user "bytes": the key cannot be used here',
      'user "list": the key cannot be used here',
    ])
  })

  await t.test('says in a line what is wrong with it', async (t) => {
    const { host, command } = await startRedis(t)
    const read = (path: string) => failure(readKoreaderSyncServer(`redis://${host}${path}`))
    t.match(await read(''), /^Redis at [^ ]+, database 1, has no users of a sync server\. The official one uses \/1/)
    t.match(await read('/99'), /, database 99, cannot be read: ERR DB index is out of range$/)
    await command(1, 'SET', 'user:ann:key', key)
    await command(1, 'ACL', 'SETUSER', 'default', '-get')
    t.match(await read('/1'), /cannot be read: NOPERM /)
  })

  await t.test('says in a line that the password is wrong, and does not quote it', async (t) => {
    const { host } = await startRedis(t, '--requirepass', 'right')
    const lines = [
      await failure(readKoreaderSyncServer(`redis://${host}`)),
      await failure(readKoreaderSyncServer(`redis://:wr0ng@${host}/1`)),
    ]
    const line = `Redis at ${host}, database 1, cannot be read: the name or the password is wrong`
    t.same(lines, [line, line])
  })

  await t.test('says in a line that it went away meanwhile', async (t) => {
    const { host, command, stop } = await startRedis(t)
    await command(1, 'SET', 'user:ann:key', key)
    await command(1, 'SET', 'user:bob:key', key)
    async function* readAndStop(): Source {
      for await (const item of readKoreaderSyncServer(`redis://${host}`)) {
        await stop()
        yield item
      }
    }
    t.match(await failure(readAndStop()), `Redis at ${host}, database 1, cannot be read: `)
  })

  await t.test('leaves Redis when who reads has enough', async (t) => {
    const { host, command } = await startRedis(t)
    await command(1, 'SET', 'user:ann:key', key)
    await command(1, 'SET', 'user:bob:key', key)
    for await (const item of readKoreaderSyncServer(`redis://${host}`)) {
      t.match(item, { key })
      break
    }
  })
})

const others: [string, (socket: Socket) => void, RegExp][] = [
  ['says nothing', () => {}, /cannot be read: it does not answer$/],
  ['hangs up', (socket) => socket.destroy(), /cannot be read: it hung up; is it a Redis\?$/],
  ['is something else', (socket) => socket.end('220 mail.test ESMTP\r\n'), /cannot be read: /],
]

for (const [what, answer, message] of others) {
  t.test(`says in a line that who answers ${what}`, async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      t.teardown(() => socket.destroy())
      answer(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
    t.match(await failure(readKoreaderSyncServer(url, 500)), message)
  })
}

t.test('says in a line that it is a web server', async (t) => {
  const server = createHttpServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.match(await failure(readKoreaderSyncServer(url)), /cannot be read: /)
})

t.test('says in a line that nothing is there', async (t) => {
  const host = `127.0.0.1:${await freePort()}`
  const line = `Redis at ${host}, database 1, cannot be read: connect ECONNREFUSED ${host}`
  t.equal(await failure(readKoreaderSyncServer(`redis://${host}`)), line)
})

for (const url of ['', 'localhost', 'http://:secret@localhost:6379', 'redis://localhost/one', 'redis://:secret@x y/']) {
  t.test(`says in a line that ${JSON.stringify(url)} is no address`, async (t) => {
    const line = 'This is not the address of a Redis. Write it as redis://localhost:6379/1'
    t.equal(await failure(readKoreaderSyncServer(url)), line)
  })
}
