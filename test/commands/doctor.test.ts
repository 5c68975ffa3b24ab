import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { lockStateFolder } from '../../src/control/state-folder.ts'
import { callStore } from '../../src/control/state-store.ts'
import { filenameMd5 } from '../../src/document-id.ts'
import { byName } from '../store/by-name.ts'
import { run, runJson } from './run.ts'
import { day, dune, folder, headersOf, now, openStore, places, serveHere, stateFolder } from './state-fixture.ts'

interface Told {
  server: boolean
  since: number | null
  events: { kind: string; text: string; cure: string }[]
  findings: { kind: string }[]
  accounts: object[]
  more: number
}

/** How alice reads Dune without any trouble. */
const inOrder = async (dir: string): Promise<void> => {
  await runJson(dir, 'history', 'restore', 'alice', 'Dune', '3')
}

t.test('without a server only the records tell, and the command says so', async (t) => {
  const dir = await stateFolder(t)
  const { code, stdout } = await run(dir, 'doctor', 'alice')
  t.equal(code, 0)
  t.match(
    stdout,
    /^Kobo pushed Dune 1 hour ago\.\nNo kss server is running on .*: only the records were looked at\.\n\n/,
  )
  t.match(stdout, /\nWhat the records tell:\n\nKobo took Dune back from 50 %, where Phone had been, to 3 %\.\n {2}If /)
  t.match(stdout, `\n  $ kss history restore alice ${dune}\n`)
  t.match(await runJson(dir, 'doctor', 'alice'), {
    username: 'alice',
    server: false,
    since: null,
    last_push: { device: 'Kobo', document: dune, title: 'Dune', timestamp: now - 3600 },
    events: [],
    findings: [{ kind: 'backwards', command: `kss history restore alice ${dune}` }],
  })
})

t.test('where nothing is wrong it says so, and what was pushed last', async (t) => {
  const emma = { ...places[2]!, document: 'emma', timestamp: now - 7200 }
  const dir = await stateFolder(t, (store) => byName(store).putProgress('alice', emma))
  await inOrder(dir)
  const { code, stdout } = await run(dir, 'doctor', 'alice')
  t.equal(code, 0)
  t.match(stdout, /^Phone pushed emma 2 hours ago\.\nNo kss server .*\nNothing is wrong that kss knows of\.\n$/)
  t.match(await run(dir, 'doctor'), { code: 0, stdout: /^No kss server .*\nNothing is wrong that kss knows of\.\n$/ })
})

t.test('an account that nothing was pushed for is told how to push', async (t) => {
  const dir = await stateFolder(t, (store) => store.createUser({ username: 'bob', key: 'K' }))
  t.match(
    (await run(dir, 'doctor', 'bob')).stdout,
    /\nThere are no books: no reader has pushed any yet, or all were removed\.\n {2}On the reader, /,
  )
  t.match(await runJson(dir, 'doctor', 'bob'), { last_push: null, findings: [{ kind: 'never' }] })
})

t.test('who is not there is one line', async (t) => {
  const dir = await stateFolder(t)
  t.match(await run(dir, 'doctor', 'carl'), { code: 1, stderr: 'There is no user carl. See: kss user list\n' })
})

t.test('a running server tells what it heard from the readers of an account', async (t) => {
  const dir = await stateFolder(t)
  const { url } = await serveHere(t, dir)
  await inOrder(dir)
  t.match((await run(dir, 'doctor', 'alice')).stdout, /^The server started just now, .*\nNothing/)
  for (let times = 0; times < 2; times++) await fetch(`${url}/users/auth`, { headers: headersOf('alice', 'wrong') })
  const body = JSON.stringify({ document: dune, percentage: 0.5, progress: '1' })
  await fetch(`${url}/syncs/progress`, { method: 'PUT', headers: headersOf('alice', 'wonderland'), body })
  const { code, stdout } = await run(dir, 'doctor', 'alice')
  t.equal(code, 0)
  t.match(stdout, '\nWhat kss heard from the readers of alice:\n\n')
  t.match(stdout, /\njust now, from 127\.0\.0\.1: What a reader sent was refused: device is missing\.\n {2}Update /)
  t.match(
    stdout,
    /\njust now, 2 times, from 127\.0\.0\.1: A log-in had a wrong password\.\n {2}On .*\n {2}\$ kss user passwd alice\n/,
  )
  const told = await runJson<Told>(dir, 'doctor', 'alice')
  t.match(told, { server: true, since: Number, findings: [] })
  t.match(told.events, [{ kind: 'badField' }, { kind: 'wrongPassword', count: 2, address: '127.0.0.1' }])
})

t.test('a running server tells what it heard without an account, and which accounts need a look', async (t) => {
  const metadata = { title: 'Emma', filename: 'Emma.epub' }
  const dir = await stateFolder(t, async (store) => {
    await store.createUser({ username: 'bob\u001b', key: 'K' })
    await store.createUser({ username: 'carl', key: 'K' })
    const push = { ...places[1]!, metadata, timestamp: now - day }
    await byName(store).putProgress('bob\u001b', { ...push, document: 'abc' })
    await byName(store).putProgress('bob\u001b', { ...push, document: filenameMd5('Emma.epub') })
  })
  const { url } = await serveHere(t, dir)
  await fetch(`${url}/users/auth`, { headers: headersOf('alice', 'wrong') })
  await fetch(`${url}/kosync/users/auth`, { headers: headersOf('alice', 'wonderland') })
  await fetch(`${url}/users/auth`, { headers: headersOf('eve', 'wrong') })
  const { code, stdout } = await run(dir, 'doctor')
  t.equal(code, 0)
  t.match(stdout, /^The server started just now, /)
  t.match(stdout, '\nWhat kss heard without an account:\n\n')
  t.match(stdout, /from 127\.0\.0\.1: A log-in was as eve, and there is no such user\.\n/)
  t.match(stdout, /from 127\.0\.0\.1: A reader has \/kosync in its address, which is for Calibre-Web Automated\.\n/)
  t.match(
    stdout,
    '\nAccounts to look at:\n\n' +
      'alice: 1 event. See: kss doctor alice\n' +
      "bob\\u{1b}: 1 finding. See: kss doctor 'bob\\u{1b}'\n",
  )
  t.match(await runJson(dir, 'doctor'), {
    server: true,
    events: [{ kind: 'unknownUser' }, { kind: 'otherBasePath' }],
    accounts: [
      { username: 'alice', events: 1, findings: 0 },
      { username: 'bob\u001b', events: 0, findings: 1 },
    ],
    more: 0,
  })
})

t.test('100 accounts are listed, and the others counted', async (t) => {
  const dir = await folder(t)
  const store = await openStore(dir)
  for (let number = 0; number < 102; number++) {
    await store.createUser({ username: `user${number}`, key: 'K' })
    await byName(store).putProgress(`user${number}`, { ...places[0]!, timestamp: now + day })
  }
  await store.close()
  const told = await runJson<Told>(dir, 'doctor')
  t.equal(told.accounts.length, 100)
  t.equal(told.more, 2)
  t.match((await run(dir, 'doctor')).stdout, /\nand 2 more accounts\.\n/)
})

t.test('an account whose file has no id yet is told with its events', async (t) => {
  const dir = await stateFolder(t)
  await mkdir(join(dir, 'ann'))
  await writeFile(join(dir, 'ann', 'auth.json'), '{"x-auth-user":"ann","x-auth-key":"K"}')
  const { url } = await serveHere(t, dir)
  await fetch(`${url}/users/auth`, { headers: headersOf('ann', 'wrong') })
  t.match(await runJson(dir, 'doctor'), { accounts: [{ username: 'ann', events: 1, findings: 0 }] })
})

t.test('of a server of an earlier version only the records are looked at', async (t) => {
  const dir = await stateFolder(t)
  const lock = await lockStateFolder(dir, false)
  const store = await openStore(dir)
  lock.answer(callStore(store, store.admin))
  for (const args of [['doctor'], ['doctor', 'alice']]) {
    const { code, stdout } = await run(dir, ...args)
    t.equal(code, 0)
    t.match(stdout, /^The server is of an earlier version: only the records were looked at\.$/m)
  }
  await store.close()
  await lock.release()
})
