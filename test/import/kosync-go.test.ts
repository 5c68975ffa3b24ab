import { encode } from '@msgpack/msgpack'
import { utimes } from 'node:fs/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { readKosyncGo } from '../../src/import/kosync-go.ts'
import { SourceError } from '../../src/import/source.ts'
import { collect, write } from './collect.ts'

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
const position = { progress: '/body/p[3]', percentage: 0.32, device: 'Kobo', device_id: 'D1' }
const earlier = { ...position, progress: '/body/p[1]', percentage: 0.1 }
const zero = { progress: '', percentage: 0, device: '', device_id: '', document: '', timestamp: 0, pretty_name: '' }
const config = { listen_address: ':8080', disable_registration: false, store_history: true }

const rows = [
  { document: 'abc', ...earlier, timestamp: 1_700_000_000 },
  { document: 'abc', ...position, timestamp: 1_700_000_100 },
]

function toAccount(documents: unknown, history: unknown = {}): object {
  return { username: 'ann', password: key, documents, history }
}

/** A file as KOsync writes backups: 64 characters a line. */
function toPem(body: string | Uint8Array, headers: Record<string, string>, eol = '\n'): string {
  const lines =
    Buffer.from(body)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  const named = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const head = named.length > 0 ? [...named, ''] : []
  return ['-----BEGIN KOSYNC BACKUP-----', ...head, ...lines, '-----END KOSYNC BACKUP-----', ''].join(eol)
}

const backupHeaders = { App: 'https://example.com/kosync', 'Created-At': '2025-01-02T03:04:05+01:00', Schema: '6' }
const json = { ...backupHeaders, 'Content-Type': 'application/json' }
const msgpack = { ...backupHeaders, 'Content-Type': 'application/vnd.msgpack' }

const schema1 = {
  schema: 1,
  config,
  users: {
    ann: toAccount(
      { abc: { ...position, timestamp: 1_700_000_100 } },
      { abc: { document_history: [{ ...zero }, { ...earlier, timestamp: 1_700_000_000 }] } },
    ),
  },
}

/** Fields by their names in Go. MessagePack has the position in a field of its own, or, written by newer releases, not. */
function toGo(isNested: boolean): object {
  const embed = ({ progress, percentage, device, device_id }: typeof position): object => {
    const data = { Progress: progress, Percentage: percentage, Device: device, DeviceId: device_id }
    return isNested ? { ProgressData: data } : data
  }
  const document = (data: typeof position, Timestamp: number): object => {
    return { ...embed(data), DocumentId: 'abc', Timestamp, PrettyName: '' }
  }
  const blank = { ...embed({ progress: '', percentage: 0, device: '', device_id: '' }), DocumentId: '', Timestamp: 0 }
  return {
    Schema: 6,
    Config: { ListenAddress: ':8080' },
    Users: {
      ann: {
        Username: 'ann',
        Password: key,
        Documents: { abc: document(position, 1_700_000_100) },
        History: {
          abc: { DocumentHistory: [blank, document(earlier, 1_700_000_000)] },
          def: { DocumentHistory: null },
        },
      },
    },
  }
}

for (const [shape, data] of [
  ['schema 1', schema1],
  ['schema 0', { ...schema1, schema: 0 }],
  ['no schema', { users: schema1.users }],
  ['the users alone', schema1.users],
  ['the users alone, one called users', { ...schema1.users, users: { ...toAccount({}), username: 'users' } }],
  [
    'schema 6, with the document in its record',
    {
      schema: 6,
      config,
      users: {
        ann: toAccount(
          { abc: { ...position, document: 'abc', timestamp: 1_700_000_100, pretty_name: '' } },
          { abc: { document_history: [zero, { ...earlier, document: 'abc', timestamp: 1_700_000_000 }] } },
        ),
      },
    },
  ],
  [
    'positions in progress_data, document_id, and a history that is a list',
    {
      Schema: 4,
      Config: config,
      Users: {
        ann: toAccount(
          { k1: { progress_data: position, document_id: 'abc', timestamp: 1_700_000_100_000 } },
          { abc: [{ progress_data: earlier, document_id: '', timestamp: '2023-11-14T22:13:20Z' }], def: null },
        ),
      },
    },
  ],
  ['the names of Go', toGo(true)],
  ['a backup in JSON', toPem(JSON.stringify(schema1), json)],
  ['a backup in JSON with line ends of Windows', toPem(JSON.stringify(schema1), json, '\r\n')],
  ['a backup that does not say what it is', toPem(JSON.stringify(schema1), backupHeaders)],
  ['a backup without headers', toPem(JSON.stringify(schema1), {})],
  ['a backup in MessagePack', toPem(encode(toGo(true), { forceFloat32: true }), msgpack)],
  ['a backup in MessagePack of a newer release', toPem(encode(toGo(false), { forceFloat32: true }), msgpack)],
] as const) {
  t.test(`reads ${shape}`, async (t) => {
    const { users, problems } = await collect(readKosyncGo(await write(t, data)))
    t.strictSame(problems, [])
    t.strictSame(users[0], { username: 'ann', key, documents: [{ rows }] })
  })
}

t.test('brings the name that a user gave a document', async (t) => {
  const abc = { ...position, timestamp: 1, pretty_name: 'Dune' }
  const users = { ann: toAccount({ abc }, { abc: [{ ...abc, pretty_name: 'Dun' }] }) }
  const { users: read } = await collect(readKosyncGo(await write(t, { schema: 6, users })))
  t.equal(read[0]?.documents[0]?.title, 'Dune')
})

t.test('brings the history of a document that is not there any more', async (t) => {
  const users = { ann: toAccount(null, { abc: [zero, { ...position, timestamp: 5 }], def: [zero] }) }
  const { users: read } = await collect(readKosyncGo(await write(t, { schema: 6, users })))
  t.strictSame(read[0]?.documents, [{ rows: [{ document: 'abc', ...position, timestamp: 5 }] }])
})

async function readTime(t: Test, record: object, wrap = (text: string) => text): Promise<number | undefined> {
  const path = await write(t, wrap(JSON.stringify({ ann: toAccount({ abc: { ...position, ...record } }) })))
  await utimes(path, 5, 777)
  const { users } = await collect(readKosyncGo(path))
  return users[0]?.documents[0]?.rows[0]?.timestamp
}

for (const [what, timestamp, expected] of [
  ['seconds', 1_700_000_000, 1_700_000_000],
  ['milliseconds', 1_700_000_000_999, 1_700_000_000],
  ['digits', '1700000000', 1_700_000_000],
  ['RFC 3339', '2023-11-14T23:13:20.5+01:00', 1_700_000_000],
  ["Go's zero time", '0001-01-01T00:00:00Z', 0],
  ['no time: that of the file', undefined, 777],
  ['text that is no time: that of the file', 'now', 777],
  ['an object: the time of the file', {}, 777],
] as const) {
  t.test(`reads a timestamp that is ${what}`, async (t) => {
    t.equal(await readTime(t, { timestamp }), expected)
  })
}

t.test("takes the backup's own time for a record without one", async (t) => {
  t.equal(await readTime(t, {}, (text) => toPem(text, json)), Date.parse('2025-01-02T02:04:05Z') / 1000)
  t.equal(await readTime(t, {}, (text) => toPem(text, { ...json, 'Created-At': 'soon' })), 777)
})

t.test('takes a history row without a time for the oldest', async (t) => {
  const { users } = await collect(readKosyncGo(await write(t, { ann: toAccount({}, { abc: [position] }) })))
  t.equal(users[0]?.documents[0]?.rows[0]?.timestamp, 0)
})

t.test("reads MessagePack's own times", async (t) => {
  const abc = { ...position, timestamp: new Date(1_700_000_000_000) }
  const path = await write(t, toPem(encode({ ann: toAccount({ abc }) }), msgpack))
  const { users } = await collect(readKosyncGo(path))
  t.equal(users[0]?.documents[0]?.rows[0]?.timestamp, 1_700_000_000)
})

t.test('reads a percentage that a float32 was kept of as the reader sent it', async (t) => {
  const read = async (percentages: number[]): Promise<unknown[]> => {
    const documents = Object.fromEntries(
      percentages.map((percentage, at) => [
        `d${at}`,
        { ...position, percentage: Math.fround(percentage), timestamp: 1 },
      ]),
    )
    const path = await write(t, toPem(encode({ ann: toAccount(documents) }, { forceFloat32: true }), msgpack), 'x.bak')
    const { users } = await collect(readKosyncGo(path))
    return users[0]?.documents.map((document) => document.rows[0]?.percentage) ?? []
  }
  const known = [0.32, 0.1, 1, 0, 0.25, 0.123456, 1e-10, -0.5]
  t.strictSame(await read(known), known)
  // Six digits always fit a float32.
  const sixDigits = fc.integer({ min: 0, max: 1_000_000 }).map((millionths) => millionths / 1_000_000)
  await fc.assert(
    fc.asyncProperty(fc.array(sixDigits, { minLength: 1, maxLength: 50 }), async (percentages) => {
      t.strictSame(await read(percentages), percentages)
    }),
    { numRuns: 20 },
  )
})

t.test('leaves a percentage with more digits than a float32 has, and one that is none', async (t) => {
  const documents = {
    a: { ...position, percentage: 0.123456789, timestamp: 1 },
    b: { ...position, percentage: '0.5', timestamp: 1 },
    c: { ...position, percentage: Number.NaN, timestamp: 1 },
  }
  const path = await write(t, toPem(encode({ ann: toAccount(documents) }), msgpack))
  const { users, problems } = await collect(readKosyncGo(path))
  t.strictSame(
    users[0]?.documents.map((document) => document.rows[0]?.percentage),
    [0.123456789, 0.5],
  )
  t.strictSame(problems, ['user "ann", document "c": has no percentage'])
})

t.test('takes __proto__ for a name, in JSON and in MessagePack', async (t) => {
  const account = JSON.stringify(toAccount({ X: { ...position, timestamp: 1 } })).replace('"X"', '"__proto__"')
  const text = `{"schema": 1, "users": {"__proto__": ${account}, "nine_char": ${account}}}`
  // The encoder, unlike JSON.parse, does not mind.
  const bytes = encode(JSON.parse(text))
  for (const data of [text, toPem(bytes, msgpack)]) {
    const { users, problems } = await collect(readKosyncGo(await write(t, data)))
    t.strictSame(problems, [])
    t.strictSame(
      users.map(({ username, documents }) => [username, documents[0]?.rows[0]?.document]),
      [
        ['__proto__', '__proto__'],
        ['nine_char', '__proto__'],
      ],
    )
  }
})

t.test('reads a database that nobody is in', async (t) => {
  for (const data of [{}, { schema: 6, config, users: null }, { schema: 6, config }, { schema: 6, users: {} }]) {
    t.strictSame(await collect(readKosyncGo(await write(t, data))), { users: [], problems: [] })
  }
})

t.test('is not misled by a name that looks like a backup', async (t) => {
  const users = { ann: toAccount({ '-----BEGIN KOSYNC BACKUP-----': { ...position, timestamp: 1 } }) }
  const { users: read } = await collect(readKosyncGo(await write(t, { schema: 1, users })))
  t.equal(read[0]?.documents.length, 1)
})

t.test('tells what cannot come, and brings the rest', async (t) => {
  const abc = { ...position, timestamp: 1_700_000_100 }
  for (const [users, problem] of [
    [{ bob: 5 }, 'user "bob": has neither password nor documents'],
    [{ bob: {} }, 'user "bob": has neither password nor documents'],
    [{ 'b:b': toAccount({}) }, 'user "b:b": kss takes no such name'],
    [
      { ann: { ...toAccount({ abc }), password: '$scrypt$' } },
      'user "ann": comes without the x-auth-key, which no reader can send',
    ],
    [{ ann: toAccount([], { abc: [abc] }) }, 'user "ann": its documents field is no map'],
    [{ ann: toAccount({ abc }, 'none') }, 'user "ann": its history field is no map'],
    [{ ann: toAccount({ abc, def: [] }) }, 'user "ann", document "def": is not a record'],
    [{ ann: toAccount({ abc, 'd:f': abc }) }, 'user "ann", document "d:f": kss takes no document "d:f"'],
    [{ ann: toAccount({ abc, def: { document: 5 } }) }, 'user "ann", document "def": has no document'],
    [{ ann: toAccount({ abc }, { abc: 'x' }) }, 'user "ann", history of "abc": is not a list'],
    [{ ann: toAccount({ abc }, { abc: [null] }) }, 'user "ann", history of "abc", row 1: is not a record'],
    [
      { ann: toAccount({ abc }, { abc: [zero, { device: 'x', timestamp: 5 }] }) },
      'user "ann", history of "abc", row 2: has no progress',
    ],
  ] as const) {
    const all = { ...('ann' in users ? {} : { ann: toAccount({ abc }) }), ...users }
    const { users: read, problems } = await collect(readKosyncGo(await write(t, { schema: 6, users: all })))
    t.strictSame(problems, [problem])
    t.equal(read.length, 1)
    t.strictSame(read[0]?.documents, [{ rows: [{ document: 'abc', ...abc }] }])
  }
})

t.test('says what is wrong with a file that is no database', async (t) => {
  const advice = "Give the path of KOsync's database.json, kosync.db or one of its .bak files."
  const whole = toPem(encode(toGo(true)), msgpack)
  for (const [data, message] of [
    ['no JSON', `does not hold a JSON object. ${advice}`],
    [[], `does not hold a JSON object. ${advice}`],
    [{ name: 'x', scripts: {} }, `is no database of KOsync. ${advice}`],
    [{ schema: 6, users: [] }, `is no database of KOsync. ${advice}`],
    [toPem('null', json), `does not hold a JSON object. ${advice}`],
    [toPem(encode(5), msgpack), `is no database of KOsync. ${advice}`],
    [
      toPem(encode(toGo(true)).subarray(0, 99), msgpack),
      'is damaged: its MessagePack does not decode. Give another backup.',
    ],
    [whole.slice(0, 500), 'is cut off: it has no line -----END KOSYNC BACKUP-----. Give another backup.'],
    [toPem('a: b', { ...json, 'Content-Type': 'text/yaml' }), `holds "text/yaml", which kss cannot read. ${advice}`],
  ] as const) {
    const path = await write(t, data)
    await t.rejects(collect(readKosyncGo(path)), new SourceError(`${path} ${message}`))
  }
  await t.rejects(
    collect(readKosyncGo('/none/database.json')),
    new SourceError(`/none/database.json is not there. ${advice}`),
  )
})

t.test('reads a hundred thousand records', async (t) => {
  const history = Object.fromEntries(
    Array.from({ length: 1000 }, (_none, at) => [
      `d${at}`,
      { document_history: Array.from({ length: 100 }, () => ({ ...earlier, timestamp: at + 1 })) },
    ]),
  )
  const data = { schema: 6, users: { ann: toAccount({}, history) } }
  for (const path of [await write(t, data, 'a.json'), await write(t, toPem(encode(data), msgpack), 'a.bak')]) {
    const { users } = await collect(readKosyncGo(path))
    t.equal(
      users[0]?.documents.reduce((sum, document) => sum + document.rows.length, 0),
      100_000,
    )
  }
})
