import { spawnSync } from 'node:child_process'
import { chmod, copyFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sqlite from 'node-sqlite3-wasm'
import t, { type Test } from 'tap'
import { readKosyncGo } from '../../src/import/kosync-go.ts'
import type { Source } from '../../src/import/source.ts'
import { schemas, type Schema } from '../../src/import/sqlite-schemas.ts'
import { readSqlite } from '../../src/import/sqlite.ts'
import { builtinSqlite, openSqlite } from '../../src/import/sqlite-file.ts'
import { builtModule } from '../launcher.ts'
import { collect, failure } from './collect.ts'

/** Where the copies are made while they are read. */
const temp = t.testdir({})
process.env['TMPDIR'] = temp

const readKoinsight = (file: string): Source => readSqlite(file, schemas['koinsight'] as Schema)
const readCrosspointSync = (file: string): Source => readSqlite(file, schemas['crosspoint-sync'] as Schema)

/** A database file that holds what the statements make. */
function create(t: Test, sql: string): string {
  const file = join(t.testdir({}), 'server.db')
  const database = new sqlite.Database(file)
  database.exec(sql)
  database.close()
  return file
}

const koinsightTables = `
  create table user (id integer primary key, username text, password_hash text, created_at datetime, updated_at datetime);
  create table progress (id integer primary key, user_id integer, document varchar(255), progress varchar(255),
    percentage float, device varchar(255), device_id varchar(255), created_at datetime, updated_at datetime);`

const bcrypt = '$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
const row = { progress: '/body/p[7]', percentage: 0.25, device: 'Kobo', device_id: 'A' }

t.test('reads KoInsight, whose times are milliseconds, seconds or text', async (t) => {
  const file = create(
    t,
    `${koinsightTables}
    insert into user (id, username, password_hash) values (1, 'ann', '${bcrypt}'), (2, 'Zoë', '${bcrypt}');
    insert into progress (user_id, document, progress, percentage, device, device_id, created_at, updated_at) values
      (1, 'dune', '/body/p[7]', 0.25, 'Kobo', 'A', 1, 1743508800123),
      (1, 'dune', '/body/p[7]', 0.25, 'Kobo', 'B', 1, '2025-04-01 12:00:01'),
      (1, 'emma', '/body/p[7]', 0.25, 'Kobo', 'A', '2025-04-01T12:00:02.000Z', null),
      (1, 'odd', 56, 1, 'Kobo', 'A', 1, 1743508803);`,
  )
  const first = { rows: [] as object[] }
  first.rows.push({ document: 'dune', ...row, timestamp: 1_743_508_800 })
  first.rows.push({ document: 'dune', ...row, device_id: 'B', timestamp: 1_743_508_801 })
  t.same(await collect(readKoinsight(file)), {
    users: [
      {
        username: 'ann',
        key: bcrypt,
        documents: [
          first,
          { rows: [{ document: 'emma', ...row, timestamp: 1_743_508_802 }] },
          { rows: [{ document: 'odd', ...row, progress: '56', percentage: 1, timestamp: 1_743_508_803 }] },
        ],
      },
      { username: 'Zoë', key: bcrypt, documents: [] },
    ],
    problems: [],
  })
})

t.test('what cannot come of KoInsight is a problem, and the others come', async (t) => {
  const file = create(
    t,
    `${koinsightTables}
    insert into user (id, username, password_hash) values (1, 'ann', '$argon2id$v=19$x'), (2, 'a:b', '${bcrypt}');
    insert into progress (user_id, document, progress, percentage, device, device_id) values
      (1, null, '56', 0.25, 'Kobo', 'A'),
      (1, 'timeless', '/body/p[7]', 0.25, 'Kobo', 'A'),
      (9, 'of-nobody', '56', 0.25, 'Kobo', 'A');`,
  )
  await utimes(file, 5000, 5000)
  t.same(await collect(readKoinsight(file)), {
    users: [{ username: 'ann', documents: [{ rows: [{ document: 'timeless', ...row, timestamp: 5000 }] }] }],
    problems: [
      'user "ann", document null: has no document',
      'user "ann": the key cannot be used here',
      'user "a:b": cannot be a user name here',
      'user 9: has records (1), but no account there',
    ],
  })
})

const crosspointTables = `
  create table users (id integer primary key, username text not null unique, key_hash text not null, created_at integer);
  create table documents (user_id integer, document text, title text, author text, filesize integer, updated_at integer);
  create table progress (user_id integer, document text, device_id text, device text not null default '',
    percentage real, progress text, position text, updated_at integer, primary key (user_id, document, device_id));`

const pbkdf2 = `pbkdf2$10000$00112233445566778899aabbccddeeff$${'0f'.repeat(32)}`
const annReads = `
  insert into users (id, username, key_hash) values (1, 'ann', '${pbkdf2}'), (2, 'bob', 'plain');
  insert into progress values
    (1, 'dune', 'A', 'Kobo', 0.25, '/body/p[7]', '{"spine":5}', 2000),
    (1, 'dune', 'B', 'X4', 0.25, '/body/p[7]', null, 1000),
    (1, 'emma', 'A', 'Kobo', 0.25, '/body/p[7]', null, 3000);`

t.test('reads the first release of crosspoint-sync', async (t) => {
  const file = create(t, crosspointTables + annReads)
  const dune = [
    { document: 'dune', ...row, device: 'X4', device_id: 'B', timestamp: 1000 },
    { document: 'dune', ...row, timestamp: 2000 },
  ]
  const emma = { document: 'emma', ...row, timestamp: 3000 }
  t.same(await collect(readCrosspointSync(file)), {
    users: [
      { username: 'ann', key: pbkdf2, documents: [{ rows: dune }, { rows: [emma] }] },
      { username: 'bob', documents: [] },
    ],
    problems: ['user "bob": the key cannot be used here'],
  })
})

t.test('reads what newer ones of crosspoint-sync know of a book, and its other ids', async (t) => {
  const file = create(
    t,
    `${crosspointTables} ${annReads}
    alter table documents add column filename text;
    alter table documents add column meta_manual integer not null default 0;
    create table document_aliases (user_id integer, alias text, document text, created_at integer);
    insert into documents (user_id, document, title, author, filename, meta_manual) values
      (1, 'dune', 'Dune', 'Frank Herbert', 'dune.epub', 1), (1, 'emma', 'Emma', null, null, 0),
      (2, 'emma', 'Another', null, null, 1), (1, 'unread', 'Unread', null, null, 1);
    insert into document_aliases values (1, 'other-dune', 'dune', 1), (1, 'gone', 'not-there', 1), (2, 'x', 'dune', 1);`,
  )
  const { users } = await collect(readCrosspointSync(file))
  const metadata = { filename: 'dune.epub', title: 'Dune', authors: 'Frank Herbert' }
  const dune = (document: string) => ({
    title: 'Dune',
    rows: [
      { document, ...row, device: 'X4', device_id: 'B', timestamp: 1000, metadata },
      { document, ...row, timestamp: 2000, metadata },
    ],
  })
  const emma = { document: 'emma', ...row, timestamp: 3000, metadata: { title: 'Emma' } }
  t.same(users[0]?.documents, [dune('dune'), { rows: [emma] }, dune('other-dune')])
})

const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'

// yeeac/kosyncsrv, handledb.go: a row for each reader, and no rule that a name is there once.
t.test('reads kosyncsrv, whose keys are those of readers', async (t) => {
  const file = create(
    t,
    `create table "user" ("username" text(255), "password" text(255));
    create table "document" ("username" text(255), "documentid" text(255), "percentage" real(64,4), "progress" text(255),
      "device" text(255), "device_id" text(255), "timestamp" integer);
    insert into user values ('ann', '${key}'), ('bob', '$2b$04$x');
    insert into document values ('ann', 'dune', 0.25, '/body/p[7]', 'Kobo', 'A', 2000),
      ('ann', 'dune', 0.25, '/body/p[7]', 'Kobo', '', 1000), ('ann', 'late', 0.25, '/body/p[7]', 'Kobo', 'A', ${2n ** 62n}),
      ('ann', 'emma', 0.25, null, 'Kobo', 'A', 1000), ('eve', 'dune', 0.25, '/body/p[7]', 'Kobo', 'A', 3000);`,
  )
  const { device_id: _id, ...withoutId } = row
  t.same(await collect(readSqlite(file, schemas['kosyncsrv'] as Schema)), {
    users: [
      {
        username: 'ann',
        key,
        documents: [
          {
            rows: [
              { document: 'dune', ...withoutId, timestamp: 1000 },
              { document: 'dune', ...row, timestamp: 2000 },
            ],
          },
          { rows: [{ document: 'late', ...row, timestamp: Math.floor(2 ** 62 / 1000) }] },
        ],
      },
      { username: 'bob', documents: [] },
    ],
    problems: [
      'user "ann", document "emma": has no progress',
      'user "bob": the key cannot be used here',
      'user "eve": has records (1), but no account there',
    ],
  })
})

t.test('a name that is no text is a problem, and the others come', async (t) => {
  const file = create(
    t,
    `create table "user" ("username" text(255), "password" text(255));
    create table "document" ("username" text(255), "documentid" text(255), "percentage" real(64,4), "progress" text(255),
      "device" text(255), "device_id" text(255), "timestamp" integer);
    insert into user values (x'616e6e', '${key}'), ('bob', '${key}');`,
  )
  t.same(await collect(readSqlite(file, schemas['kosyncsrv'] as Schema)), {
    users: [{ username: 'bob', key, documents: [] }],
    problems: ['user that is an object: cannot be a user name here'],
  })
})

// pborzenkov/koreader-syncd, migrations/01_init.sql and src/api.rs: Argon2, and a percentage that is a float32.
t.test('reads koreader-syncd without its keys, which kss cannot check', async (t) => {
  const file = create(
    t,
    `create table users (username text primary key not null, password text not null);
    create table progress (document text not null, username text not null, device text not null, device_id text not null,
      progress text not null, percentage real not null, timestamp integer not null, primary key (document, username));
    insert into users values ('ann', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA');
    insert into progress values ('dune', 'ann', 'Kobo', 'A', '/body/p[7]', ${Math.fround(0.32)}, 1000);`,
  )
  t.same(await collect(readSqlite(file, schemas['koreader-syncd'] as Schema)), {
    users: [
      {
        username: 'ann',
        documents: [{ rows: [{ document: 'dune', ...row, percentage: 0.32, timestamp: 1000 }] }],
      },
    ],
    problems: [],
  })
})

// AtjonTV/kosync, internal/kosync/migrations/sql/100-create_schema.sql, 101-change_timestamps_to_subsecond.sql,
// 102-remove_primarykey_from_history.sql and 103-unify_timestamps.sql
const kosyncTables = (history: string): string => `
  create table users (id text primary key, username text unique, password text, created_at integer not null,
    updated_at integer, deleted_at integer);
  create table documents (id text not null, owner_id text not null, title text, current_location text, progress float,
    last_read_on_device text, last_read_on_device_id text, last_read_at integer, created_at integer not null,
    updated_at integer, deleted_at integer, primary key (id, owner_id));
  create table document_history (${history});
  insert into users values ('u1', 'ann', '${key}', 1, null, null), ('u2', 'gone', '${key}', 1, null, 5);`

for (const [release, unit, idColumn, history] of [
  [
    'the first with SQLite',
    1,
    'id',
    `id text not null, owner_id text not null, last_read_at integer not null, title text, current_location text,
      progress float, last_read_on_device text, last_read_on_device_id text, created_at integer not null,
      updated_at integer, deleted_at integer, primary key (id, owner_id, last_read_at)`,
  ],
  [
    'a newer one',
    10_000,
    'document_id',
    `document_id text not null, owner_id text not null, title text, current_location text, progress float,
      last_read_on_device text, last_read_on_device_id text, last_read_at integer, created_at integer,
      updated_at integer, deleted_at integer`,
  ],
] as const) {
  t.test(`reads kosync.db of KOsync, of ${release}, and a .bak of it`, async (t) => {
    const columns = 'owner_id, title, current_location, progress, last_read_on_device, last_read_on_device_id'
    const times = 'last_read_at, created_at, deleted_at'
    const time = (seconds: number): number => seconds * unit
    const file = create(
      t,
      `${kosyncTables(history)}
      insert into documents (id, ${columns}, ${times}) values
        ('dune', 'u1', 'Dune', 'p3', ${Math.fround(0.32)}, 'Kobo', 'A', ${time(1_700_000_002)}, 1, null),
        ('emma', 'u1', '', 'p1', 0.5, 'Kobo', '', ${time(1_700_000_000)}, 1, null),
        ('old', 'u1', '', 'p1', 0.5, 'Kobo', 'A', ${time(1_700_000_000)}, 1, 5);
      insert into document_history (${idColumn}, ${columns}, ${times}) values
        ('dune', 'u1', 'Old title', 'p1', 0.1, 'Kobo', 'A', ${time(1_700_000_001)}, 1, null),
        ('dune', 'u1', '', 'p2', 0.2, 'Kobo', 'A', ${time(1_700_000_002)}, 1, null),
        ('dune', 'u1', '', '', 0, '', '', 0, 1, null),
        ('dune', 'u1', '', 'px', 0.2, 'Kobo', 'A', ${time(1_700_000_003)}, 1, 5),
        ('old', 'u1', '', 'p0', 0.2, 'Kobo', 'A', ${time(1_700_000_001)}, 1, null);`,
    )
    const at = (progress: string, percentage: number, timestamp: number): object => {
      return { document: 'dune', progress, percentage, device: 'Kobo', device_id: 'A', timestamp }
    }
    const emma = { document: 'emma', progress: 'p1', percentage: 0.5, device: 'Kobo', timestamp: 1_700_000_000 }
    const expected = {
      users: [
        {
          username: 'ann',
          key,
          documents: [
            {
              title: 'Dune',
              rows: [at('p1', 0.1, 1_700_000_001), at('p2', 0.2, 1_700_000_002), at('p3', 0.32, 1_700_000_002)],
            },
            { rows: [emma] },
          ],
        },
      ],
      problems: [],
    }
    t.same(await collect(readKosyncGo(file)), expected)
    const backup = join(file, '..', 'kosync_20260601-120000.bak')
    await copyFile(file, backup)
    t.same(await collect(readKosyncGo(backup)), expected)
  })
}

t.test('says what a kosync.db has', async (t) => {
  const line = 'is not a database of KOsync, which has the tables users, documents and document_history: '
  t.match(await failure(readKosyncGo(create(t, koinsightTables))), line)
})

const builtin = builtinSqlite()
const kinds = { 'the package': null, ...(builtin && { 'Node itself': builtin }) }

for (const [kind, Sqlite] of Object.entries(kinds)) {
  t.test(`SQLite of ${kind} reads a file, and leaves it as it was`, async (t) => {
    const file = create(t, "create table t (n, s, b); insert into t values (1, null, x'00ff'), (2.5, 'Zoë', null)")
    await chmod(file, 0o400)
    await utimes(file, 5000, 5000.5)
    const before = await readFile(file)
    const { database, time, close } = await openSqlite(file, Sqlite)
    t.equal(time, 5000)
    t.same(
      database
        .prepare('select n, s from t where n > ?')
        .all(1)
        .map((columns) => ({ ...columns })),
      [{ n: 2.5, s: 'Zoë' }],
    )
    await close()
    t.same(await readFile(file), before)
    t.same(await readdir(join(file, '..')), ['server.db'])
  })

  t.test(`SQLite of ${kind} reads what is in a write-ahead log only`, async (t) => {
    const folder = t.testdir({ running: {}, killed: {} })
    const running = new sqlite.Database(join(folder, 'running', 'server.db'))
    running.exec(
      'pragma locking_mode = exclusive; pragma journal_mode = wal; create table t (n); insert into t values (5)',
    )
    // As a kill leaves it: nothing has moved from the log to the database.
    for (const name of ['server.db', 'server.db-wal']) {
      await copyFile(join(folder, 'running', name), join(folder, 'killed', name))
    }
    running.close()
    const { database, close } = await openSqlite(join(folder, 'killed', 'server.db'), Sqlite)
    t.equal(database.prepare('select n from t').all()[0]?.['n'], 5)
    await close()
    t.same(await readdir(join(folder, 'killed')), ['server.db', 'server.db-wal'])
  })

  for (const [what, bytes] of [
    ['text', 'no database at all\n'.repeat(500)],
    ['half a database', `SQLite format 3\0${'x'.repeat(5000)}`],
  ] as const) {
    t.test(`SQLite of ${kind} refuses ${what}, and leaves no copy`, async (t) => {
      const file = join(t.testdir({}), 'server.db')
      await writeFile(file, bytes)
      const line = await failure(rows(file, Sqlite))
      t.match(line, `${file} cannot be read as SQLite: `)
      t.match(line, /not a database/)
      t.same(await readdir(temp), [])
    })
  }
}

async function* rows(file: string, Sqlite: typeof builtin | null): Source {
  await openSqlite(file, Sqlite)
  yield { problem: 'it was opened' }
}

t.test('a file that is not there, and a folder', async (t) => {
  const folder = t.testdir({})
  t.equal(await failure(readKoinsight(join(folder, 'not-there'))), `${join(folder, 'not-there')} is not there`)
  t.match(await failure(readKoinsight(folder)), `${folder} cannot be read as SQLite: `)
})

t.test('the wrong database is told what the right one has', async (t) => {
  const file = create(t, koinsightTables)
  const line = `${file} is not a database of crosspoint-sync, which has the tables users, progress and documents: `
  t.match(await failure(readCrosspointSync(file)), line)
  const other = create(t, crosspointTables)
  t.match(await failure(readKoinsight(other)), /not a database of KoInsight, which has the tables user and progress: /)
  const empty = create(t, '')
  t.match(await failure(readKoinsight(empty)), /not a database of KoInsight/)
})

t.test('a file that a server writes to meanwhile is refused', async (t) => {
  const file = create(t, 'create table t (n); insert into t values (zeroblob(20000000))')
  const read = new AbortController()
  const write = async (lane: number) => {
    for (let time = 1; !read.signal.aborted; time += 1) await utimes(file, time, time * 10 + lane)
  }
  const writers = [write(1), write(2)]
  const line = await failure(rows(file, null))
  read.abort()
  await Promise.all(writers)
  t.equal(line, `${file} is being written to. Stop the server that uses it, and try again`)
})

t.test('who has enough leaves no copy', async (t) => {
  const file = create(
    t,
    koinsightTables + `insert into user (username, password_hash) values ('a', '${bcrypt}'), ('b', '${bcrypt}')`,
  )
  for await (const item of readKoinsight(file)) {
    t.match(item, { username: 'a' })
    break
  }
  t.same(await readdir(temp), [])
})

t.test('the copy that a killed import left is removed by the next one, and not that of one that runs', async (t) => {
  const { pid: ended } = spawnSync(process.execPath, ['--version'])
  // 1 is not this user's; or, in a container, it runs.
  const folders = [ended, process.pid, 1].map((pid) => `kss-import-${pid}-abc123`)
  for (const name of [...folders, 'kss-import-notes']) {
    await mkdir(join(temp, name))
    await writeFile(join(temp, name, 'copy'), '')
    t.teardown(() => rm(join(temp, name), { recursive: true, force: true }))
  }
  await collect(readKoinsight(create(t, koinsightTables)))
  t.same((await readdir(temp)).toSorted(), [...folders.slice(1), 'kss-import-notes'].toSorted())
})

t.test('Node says nothing of its SQLite, and warns of other things as before', async (t) => {
  const script = `
    const { builtinSqlite } = await import('${await builtModule(t, 'import/sqlite-file.ts')}')
    const Sqlite = builtinSqlite()
    if (Sqlite) new Sqlite(':memory:').close()
    process.emitWarning('another')`
  const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  t.equal(status, 0)
  t.match(stderr, /another/)
  t.notMatch(stderr, /SQLite/)
})
