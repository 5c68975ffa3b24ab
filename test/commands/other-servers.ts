import { spawn, spawnSync } from 'node:child_process'
import { pbkdf2Sync } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { hashSync } from 'bcryptjs'
import sqlite from 'node-sqlite3-wasm'
import type { Test } from 'tap'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { folder } from './state-fixture.ts'
import { freePort } from '../free-port.ts'

/** The password of everybody there, as readers send it. */
export const password = 'secret'
const key = keyOfPassword(password)

/** The place in Dune that everybody has there. */
export const place = {
  document: 'dune',
  progress: '/body/p[7]',
  percentage: 0.25,
  device: 'Kobo',
  device_id: 'A',
  timestamp: 1_700_000_000,
} satisfies Progress

const { document: _named, ...unnamed } = place

/** A server that somebody moves away from. */
export interface OtherServer {
  kind: string
  /** The reason why it cannot be tried here. */
  skip?: string | false
  /** Makes one with this user; resolves to its folder, file or address. */
  make: (t: Test, username: string) => Promise<string>
  flags?: string[]
  /** What is typed. */
  stdin?: string
  /** What it cannot tell. */
  hasNoKeys?: true
}

/** One of each kind that kss imports. */
export const otherServers: OtherServer[] = [
  { kind: 'kss-python', make: makeKssPython },
  { kind: 'kosync-go', make: makeKosyncGo },
  {
    kind: 'koreader-sync-server',
    make: startRedis,
    skip: spawnSync('redis-server', ['--version']).status !== 0 && 'redis-server is not on this machine',
  },
  { kind: 'users-json', make: (t, username) => makeUsersJson(t, { [username]: usersJsonAccount() }) },
  {
    kind: 'kosync-dotnet',
    make: (t, username) => startKosyncDotnet(t, { [username]: [dotnetDocument] }),
    flags: ['--admin', 'admin', '--password-stdin'],
    stdin: 'letmein\n',
    hasNoKeys: true,
  },
  { kind: 'koinsight', make: makeKoinsight },
  { kind: 'crosspoint-sync', make: makeCrosspointSync },
  { kind: 'kosyncsrv', make: makeKosyncsrv },
  { kind: 'koreader-syncd', make: makeKoreaderSyncd, hasNoKeys: true },
  { kind: 'db-json', make: makeDbJson },
]

/** A file whose descriptor holds what is typed. */
export async function typed(t: Test, text: string): Promise<number> {
  const path = join(await folder(t), 'typed')
  await writeFile(path, text)
  const file = await open(path)
  t.teardown(() => file.close())
  return file.fd
}

async function makeKssPython(t: Test, username: string): Promise<string> {
  const dir = await folder(t)
  await mkdir(join(dir, username))
  await writeFile(join(dir, username, 'auth.json'), JSON.stringify({ 'x-auth-user': username, 'x-auth-key': key }))
  await writeFile(join(dir, username, 'dune.json'), JSON.stringify(place))
  return dir
}

async function makeKosyncGo(t: Test, username: string): Promise<string> {
  const file = join(await folder(t), 'database.json')
  const account = { username, password: key, documents: { dune: unnamed }, history: {} }
  await writeFile(file, JSON.stringify({ schema: 1, config: {}, users: { [username]: account } }))
  return file
}

/** What users.json has of a user with these positions. */
export function usersJsonAccount(...places: Progress[]): object {
  const documents = Object.fromEntries((places.length > 0 ? places : [place]).map((each) => [each.document, each]))
  return { userkey: key, documents }
}

/** Writes a users.json. */
export async function makeUsersJson(t: Test, users: object): Promise<string> {
  const file = join(await folder(t), 'users.json')
  await writeFile(file, JSON.stringify(users))
  return file
}

/** A document as the management API of kosync-dotnet tells it. */
export const dotnetDocument = {
  documentHash: place.document,
  progress: place.progress,
  percentage: place.percentage,
  device: place.device,
  deviceId: place.device_id,
  timestamp: '2023-11-14T22:13:20+00:00',
}

/** The management API with the documents of these users; `admin` may ask, with `letmein`. */
export async function startKosyncDotnet(t: Test, users: Record<string, object[]>): Promise<string> {
  const server = createServer(({ url = '', headers }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    const isAdmin = headers['x-auth-user'] === 'admin' && headers['x-auth-key'] === keyOfPassword('letmein')
    const names = Object.keys(users).map((username, id) => ({ id, username, isAdministrator: false }))
    const documents = users[searchParams.get('username') ?? '']
    response.statusCode = isAdmin ? 200 : 401
    response.end(JSON.stringify(pathname === '/manage/users' ? names : documents))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function makeDatabase(t: Test, statements: string, ...values: [string, (string | number)[]][]): Promise<string> {
  const file = join(await folder(t), 'server.db')
  const database = new sqlite.Database(file)
  database.exec(statements)
  for (const [statement, each] of values) database.run(statement, each)
  database.close()
  return file
}

const { document, progress, percentage, device, device_id, timestamp } = place

function makeKoinsight(t: Test, username: string): Promise<string> {
  return makeDatabase(
    t,
    `create table user (id integer primary key, username text, password_hash text);
    create table progress (id integer primary key, user_id integer, document varchar(255), progress varchar(255),
      percentage float, device varchar(255), device_id varchar(255), created_at datetime, updated_at datetime);`,
    ['insert into user values (1, ?, ?)', [username, hashSync(key, 4)]],
    [
      'insert into progress values (1, 1, ?, ?, ?, ?, ?, 1, ?)',
      [document, progress, percentage, device, device_id, timestamp * 1000],
    ],
  )
}

function makeCrosspointSync(t: Test, username: string): Promise<string> {
  const salt = '00112233445566778899aabbccddeeff'
  const hash = pbkdf2Sync(key, salt, 10_000, 32, 'sha256').toString('hex')
  return makeDatabase(
    t,
    `create table users (id integer primary key, username text not null unique, key_hash text not null);
    create table documents (user_id integer, document text, title text, author text);
    create table progress (user_id integer, document text, device_id text, device text not null default '',
      percentage real, progress text, position text, updated_at integer, primary key (user_id, document, device_id));`,
    ['insert into users values (1, ?, ?)', [username, `pbkdf2$10000$${salt}$${hash}`]],
    [
      'insert into progress values (1, ?, ?, ?, ?, ?, null, ?)',
      [document, device_id, device, percentage, progress, timestamp],
    ],
  )
}

// yeeac/kosyncsrv, handledb.go
function makeKosyncsrv(t: Test, username: string): Promise<string> {
  return makeDatabase(
    t,
    `create table user (username text(255), password text(255));
    create table document (username text(255), documentid text(255), percentage real(64,4), progress text(255),
      device text(255), device_id text(255), timestamp integer);`,
    ['insert into user values (?, ?)', [username, key]],
    [
      'insert into document values (?, ?, ?, ?, ?, ?, ?)',
      [username, document, percentage, progress, device, device_id, timestamp],
    ],
  )
}

// pborzenkov/koreader-syncd, migrations/01_init.sql
export function makeKoreaderSyncd(t: Test, ...usernames: string[]): Promise<string> {
  return makeDatabase(
    t,
    `create table users (username text primary key not null, password text not null);
    create table progress (document text not null, username text not null, device text not null, device_id text not null,
      progress text not null, percentage real not null, timestamp integer not null, primary key (document, username));`,
    ...usernames.flatMap((username): [string, (string | number)[]][] => [
      ['insert into users values (?, ?)', [username, '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA']],
      [
        'insert into progress values (?, ?, ?, ?, ?, ?, ?)',
        [document, username, device, device_id, progress, percentage, timestamp],
      ],
    ]),
  )
}

// b1n4ryj4n/koreader-sync, kosync.py
async function makeDbJson(t: Test, username: string): Promise<string> {
  const file = join(await folder(t), 'db.json')
  const tables = { users: { 1: { username, password: key } }, documents: { 1: { username, ...place } } }
  await writeFile(file, JSON.stringify(tables))
  return file
}

/** A Redis of its own that keeps nothing. */
async function startRedis(t: Test, username: string): Promise<string> {
  const port = await freePort()
  const where = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', await folder(t)]
  const child = spawn('redis-server', [...where, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const url = `redis://127.0.0.1:${port}/1`
  for (;;) {
    const client = createClient({ url, socket: { reconnectStrategy: false } })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.set(`user:${username}:key`, key)
      const fields = Object.entries(unnamed).flatMap(([name, value]) => [name, `${value}`])
      await client.sendCommand(['HSET', `user:${username}:document:dune`, ...fields])
      client.destroy()
      return url
    } catch (error) {
      if (child.exitCode !== null) throw error
      await sleep(20)
    }
  }
}
