import { chmod, chown, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { checkFolder } from '../../src/trusted-file.ts'
import { readState } from '../check/damage.ts'
import { serve } from './kss.ts'
import { run } from './run.ts'
import { copyOf, dune, folder, headersOf, openStore, serveHere, stateFolder } from './state-fixture.ts'

const headers = headersOf('alice', 'wonderland')
const reason = 'is a symbolic link: kss does not follow it'

/** A state directory, and another folder with all of its files, which a link at the path leads to. */
async function plant(t: Test, path: string): Promise<{ dir: string; outside: string }> {
  const dir = await stateFolder(t)
  const outside = await copyOf(t, dir)
  await writeFile(join(outside, 'alice', 'history', 'other.jsonl'), 'outside\n')
  await rm(join(dir, path), { recursive: true, force: true })
  await symlink(join(outside, path), join(dir, path))
  return { dir, outside }
}

async function push(url: string): Promise<number> {
  const body = JSON.stringify({ document: dune, progress: 'p9', percentage: 0.9, device: 'Kobo', device_id: 'K' })
  return (await fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body })).status
}

for (const [path, logIn, pull, put] of [
  ['alice', 503, 503, 503],
  ['alice/auth.json', 503, 503, 503],
  [`alice/${dune}.json`, 200, 503, 503],
  ['alice/history', 200, 200, 200],
  [`alice/history/${dune}.jsonl`, 200, 200, 200],
] as const) {
  t.test(`a link in the place of ${path} is neither read nor written through`, async (t) => {
    const { dir, outside } = await plant(t, path)
    const before = await readState(outside)
    const server = await serveHere(t, dir)
    t.equal((await fetch(`${server.url}/users/auth`, { headers })).status, logIn)
    t.equal((await fetch(`${server.url}/syncs/progress/${dune}`, { headers })).status, pull)
    t.equal(await push(server.url), put)
    for (const args of [
      ['doc', 'show', 'alice', dune],
      ['doc', 'rm', 'alice', dune, '--yes'],
    ])
      await run(dir, ...args)
    await server.close()
    t.same(await readState(outside), before)
    const { code, stdout } = await run(dir, 'check')
    t.equal(code, 4)
    t.match(stdout, `damaged: ${path} ${reason}\n`)
  })

  t.test(`a link in the place of ${path} is not archived, nor followed by a repair`, async (t) => {
    const { dir, outside } = await plant(t, path)
    const before = await readState(outside)
    const archive = join(await folder(t), 'kss.tar.gz')
    await run(dir, 'backup', 'create', archive)
    const names = gunzipSync(await readFile(archive)).toString('latin1')
    t.notMatch(names, `${path.endsWith('.jsonl') || path.endsWith('.json') ? path : `${path}/`}\0`)
    t.notMatch(names, 'outside')
    t.match(await run(dir, 'check', '--repair'), { code: 4 })
    t.same(await readState(outside), before)
  })
}

t.test('what was pushed before a history became a link is written when the link is gone', async (t) => {
  const { dir } = await plant(t, 'alice/history')
  const server = await serveHere(t, dir)
  t.equal(await push(server.url), 200)
  await server.close()
  await rm(join(dir, 'alice', 'history'))
  const store = await openStore(dir)
  await store.admin.flush()
  await store.close()
  t.match(await readFile(join(dir, 'alice', 'history', `${dune}.jsonl`), 'utf8'), '"progress":"p9"')
})

t.test('a folder that becomes a link while the server runs is not followed', async (t) => {
  const dir = await stateFolder(t)
  const outside = join(await folder(t), 'alice')
  const { url } = await serveHere(t, dir)
  t.equal((await fetch(`${url}/users/auth`, { headers })).status, 200)
  await rename(join(dir, 'alice'), outside)
  await writeFile(join(outside, `${dune}.json`), JSON.stringify({ document: dune, progress: 'planted', percentage: 1 }))
  await symlink(outside, join(dir, 'alice'))
  await t.resolves(
    (async () => {
      // A file is served for a second without a look at the disk.
      while ((await fetch(`${url}/syncs/progress/${dune}`, { headers })).status !== 503);
    })(),
  )
})

t.test('the state directory itself may be reached through a link', async (t) => {
  const link = join(await folder(t), 'link')
  await symlink(await stateFolder(t), link)
  const server = await serveHere(t, link)
  t.equal(await push(server.url), 200)
  t.match(await run(link, 'doc', 'show', 'alice', dune), { code: 0 })
  await server.close()
  t.match(await run(link, 'check'), { code: 0, stdout: 'All is well.\n' })
})

for (const [path, stderr] of [
  ['.wal', /^Cannot read the log in .*\.wal: is a symbolic link: kss does not follow it\. Mend that, /],
  ['.journal', /^Cannot read the log in .*\.journal: is a symbolic link: kss does not follow it\. Mend that, /],
  ['.format', /\.format: is a symbolic link: kss does not follow it\. Take it from a backup, /],
] as const) {
  t.test(`a server does not start with a link in the place of ${path}`, async (t) => {
    const { dir, outside } = await plant(t, path)
    for (const log of ['.wal', '.journal']) await mkdir(join(outside, log), { recursive: true })
    const before = await readState(outside)
    await t.rejects(serveHere(t, dir), { message: stderr })
    t.same(await readState(outside), before)
  })
}

t.test('a link in the place of .registration.json says nothing, and is told', async (t) => {
  const { dir, outside } = await plant(t, '.registration.json')
  await writeFile(join(outside, '.registration.json'), '{"open":true}\n')
  const stderr = `It failed: ${join(dir, '.registration.json')}: ${reason}. See: kss check\n`
  t.match(await run(dir, 'registration', 'status'), { code: 4, stderr })
  const { url } = await serveHere(t, dir)
  const body = JSON.stringify({ username: 'bob', password: 'k' })
  const register = { method: 'POST', body, headers: { 'content-type': 'application/json' } }
  t.equal((await fetch(`${url}/users/create`, register)).status, 503)
})

t.test('no backup is made through a link in the place of .backups', async (t) => {
  const { dir, outside } = await plant(t, '.backups')
  await mkdir(join(outside, '.backups'))
  const stderr = `It failed: ${join(dir, '.backups')}: ${reason}. See: kss check\n`
  t.match(await run(dir, 'backup', 'create'), { code: 4, stderr })
  t.same([...(await readState(join(outside, '.backups'))).keys()], [])
})

for (const [mode, warned] of [
  [0o700, false],
  [0o750, false],
  [0o770, true],
  [0o707, true],
] as const) {
  t.test(
    `a start in a folder with mode ${mode.toString(8)} ${warned ? 'warns' : 'does not warn'} of others`,
    async (t) => {
      const dir = await stateFolder(t)
      await chmod(dir, mode)
      const { log } = await serve(t, dir)
      const msg = `Other users of this machine may write to the folder ${dir}. End that: chmod 700 ${dir}`
      t.equal(
        log.some((entry) => entry['msg'] === msg && entry['level'] === 40),
        warned,
      )
    },
  )
}

const needsRoot = process.getuid?.() !== 0 && 'only root can give a folder away'

t.test('an account in a folder of another user is not trusted', { skip: needsRoot }, async (t) => {
  const dir = await stateFolder(t)
  await chown(join(dir, 'alice'), 12_345, 12_345)
  const { url } = await serveHere(t, dir)
  t.equal((await fetch(`${url}/users/auth`, { headers })).status, 503)
  t.match(
    (await run(dir, 'doc', 'list', 'alice')).stderr,
    /alice: belongs to user 12345: kss does not trust it\. See: kss check\n$/,
  )
})

t.test('a server does not start with a log of another user', { skip: needsRoot }, async (t) => {
  const dir = await stateFolder(t)
  await chown(join(dir, '.wal'), 12_345, 12_345)
  await t.rejects(serveHere(t, dir), {
    message: /\.wal: belongs to user 12345: kss does not trust it\. Mend that, /,
  })
})

t.test('a disk on which all belongs to one other user is trusted', { skip: needsRoot }, async (t) => {
  const dir = await stateFolder(t)
  for (const path of ['.', 'alice']) await chown(join(dir, path), 12_345, 12_345)
  await t.resolves(checkFolder(join(dir, 'alice')))
})
