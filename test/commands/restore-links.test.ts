import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { BridgeFiles } from '../../src/audiobookshelf/bridge-files.ts'
import { dataNames } from '../../src/audiobookshelf/bridge-storage.ts'
import type { Account } from '../../src/store/store.ts'
import { noRedis, startRedis } from '../redis.ts'
import { accountOf } from '../store/by-name.ts'
import { run, runJson } from './run.ts'
import { folder, openStore, serveHere, stateFolder } from './state-fixture.ts'

const hand = { dune: 'item-1', emma: false }

async function accountIn(dir: string): Promise<Account> {
  const store = await openStore(dir)
  const account = await accountOf(store, 'alice')
  await store.close()
  return account
}

async function filesOf(t: Test, dir: string): Promise<{ files: BridgeFiles; account: Account }> {
  return { files: new BridgeFiles(dir, (error) => t.fail(String(error))), account: await accountIn(dir) }
}

async function link(t: Test, dir: string, links: object): Promise<void> {
  const { files, account } = await filesOf(t, dir)
  await files.put(account, dataNames.links, links)
}

async function linksIn(t: Test, dir: string): Promise<unknown> {
  const { files, account } = await filesOf(t, dir)
  return await files.get(account, dataNames.links)
}

/** A backup of alice with these links. */
async function backUp(t: Test, links: object): Promise<string> {
  const dir = await stateFolder(t)
  await link(t, dir, links)
  return (await runJson<{ path: string }>(dir, 'backup', 'create', join(await folder(t), 'kss.tar.gz'))).path
}

t.test('links that were made by hand come back, to the account that is new', async (t) => {
  const dir = await folder(t)
  const { code, stderr } = await run(dir, 'backup', 'restore', await backUp(t, { hand }))
  t.same({ code, stderr }, { code: 0, stderr: '' })
  t.same(await linksIn(t, dir), { hand })
  t.equal((await run(dir, 'check')).stdout, 'All is well.\n')
})

t.test('of links that are there none changes', async (t) => {
  const backup = await backUp(t, { hand })
  const dir = await stateFolder(t)
  const obstacles = { 'item-2': { obstacle: 'gone', since: 1, isSure: true } }
  await link(t, dir, { hand: { dune: 'item-2' }, obstacles })
  t.equal((await run(dir, 'backup', 'restore', '--merge', backup)).code, 0)
  t.same(await linksIn(t, dir), { hand: { dune: 'item-2', emma: false }, obstacles })
})

t.test('without links by hand no file is made', async (t) => {
  const dir = await folder(t)
  t.equal((await run(dir, 'backup', 'restore', await backUp(t, { obstacles: {} }))).code, 0)
  t.equal(await linksIn(t, dir), undefined)
})

t.test('beside a server, and on a Redis, it is told that they do not come', async (t) => {
  const backup = await backUp(t, { hand })
  const dir = await stateFolder(t)
  const { close } = await serveHere(t, dir)
  t.match(await run(dir, 'backup', 'restore', '--merge', backup), {
    code: 1,
    stderr: 'Not restored: the links of "alice" to Audiobookshelf: stop the server, then restore again with --merge\n',
  })
  await close()
  t.equal((await run(dir, 'backup', 'restore', '--merge', backup)).code, 0)
  t.same(await linksIn(t, dir), { hand })

  await t.test('on a Redis', { skip: noRedis }, async (t) => {
    const file = join(await folder(t), 'kss.env')
    await writeFile(file, `KSS_STORE=${(await startRedis(t)).url}\n`)
    t.match(await run('/none', 'backup', 'restore', backup, '--env-file', file), {
      code: 1,
      stderr:
        'Not restored: the links of "alice" to Audiobookshelf: with KSS_STORE they are linked again in the web console\n',
    })
  })
})

t.test('links that are damaged do not keep the rest from coming', async (t) => {
  const from = await stateFolder(t)
  await link(t, from, { hand })
  const path = join(from, 'alice', 'audiobookshelf', dataNames.links)
  await writeFile(path, (await readFile(path, 'utf8')).slice(0, 20))
  const target = join(await folder(t), 'kss.tar.gz')
  await run(from, 'backup', 'create', target)
  const dir = await folder(t)
  const { code, stderr } = await run(dir, 'backup', 'restore', target)
  t.equal(code, 1)
  t.match(stderr, /^Not restored: .*\n$/)
  t.match(await runJson(dir, 'user', 'list'), [{ username: 'alice' }])
})
