import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { plain } from '../../src/plain.ts'
import { toFileName } from '../../src/store/file-store/files/file-name.ts'
import { byName } from '../store/by-name.ts'
import { pushed } from '../store/contract.ts'
import { kss } from './kss.ts'
import { run, runJson } from './run.ts'
import { copyOf, folder, now, stateFolder } from './state-fixture.ts'

/** Colours, an override of direction, a tag, C1, and a line of its own. */
const evil = 'eve\u001b[31m\u202e\u200b\u2028\u{e0041}\u0085\nFAKE'

/** A state directory with such a user, who has such books of such readers. */
function evilFolder(t: Test): Promise<string> {
  return stateFolder(t, async (store) => {
    await store.createUser({ username: evil, key: 'K' })
    for (const [at, document] of ['dddd1111', evil, `${evil}/2`].entries()) {
      const record = { ...pushed, document, device: evil, device_id: evil, metadata: { title: evil } }
      await byName(store).putProgress(evil, { ...record, timestamp: now - 10 })
      await byName(store).putProgress(evil, { ...record, percentage: 0.6, device: `${evil}2`, device_id: `${at}` })
    }
    await store.admin.setInvited(`${evil}3`, true)
  })
}

/** A character that no output holds. */
const unsafe = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u{e0000}-\u{e007f}]/u

function checkOutput(t: Test, output: string, command: string): void {
  t.notMatch(output, unsafe, command)
  t.notMatch(output, /^FAKE/m, command)
}

t.test('no command prints what a name would do to a terminal', async (t) => {
  const full = await evilFolder(t)
  const other = await folder(t)
  const backup = join(other, 'kss.tar.gz')
  await runJson(full, 'backup', 'create', backup)
  const old = join(other, 'old')
  await mkdir(join(old, evil.replaceAll('/', '')), { recursive: true })
  await writeFile(join(old, evil, 'auth.json'), JSON.stringify({ 'x-auth-user': evil, 'x-auth-key': 'K' }))
  await writeFile(join(old, evil, `${evil}.json`), '{')
  await writeFile(join(full, evil), 'x')
  for (const args of [
    ['user', 'list'],
    ['user', 'add', evil, '--random'],
    ['user', 'passwd', evil, '--random'],
    ['user', 'passwd', `${evil}4`, '--random'],
    ['user', 'rename', evil, 'adam'],
    ['user', 'rename', evil, `${evil}5`],
    ['user', 'disable', evil],
    ['user', 'enable', evil],
    ['user', 'rm', evil],
    ['user', 'rm', evil, '--yes'],
    ['registration', 'status'],
    ['invite', evil],
    ['device', 'list', evil],
    ['doc', 'list', evil],
    ['doc', 'show', evil, 'dddd1111'],
    ['doc', 'show', evil, evil],
    ['doc', 'show', evil, 'none'],
    ['doc', 'name', evil, 'dddd1111', evil],
    ['doc', 'name', evil, evil, 'Emma'],
    ['doc', 'rm', evil, 'dddd1111'],
    ['doc', 'rm', evil, 'dddd1111', '--yes'],
    ['doc', 'merge', evil, 'dddd1111', evil],
    ['doc', 'merge', evil, 'dddd1111', evil, '--yes'],
    ['doc', 'identify', join(other, evil)],
    ['history', 'restore', evil, 'dddd1111'],
    ['history', 'restore', evil, 'dddd1111', '--before', evil],
    ['history', 'prune', evil, '--keep', '1'],
    ['history', 'prune', evil, '--keep', '1', '--yes'],
    ['backup', 'create', join(other, evil)],
    ['backup', 'restore', join(other, evil)],
    ['backup', 'restore', '--merge', backup],
    ['backup', 'list', other],
    ['check'],
    ['check', '--repair'],
    ['import', 'kss-python', old],
    ['import', 'kss-python', old, '--dry-run', '--user', evil],
    ['export', evil, '--format', 'kss-python', '-o', join(other, 'python.tar.gz')],
    ['user', 'list', '--dir', join(other, evil)],
  ]) {
    const dir = await copyOf(t, full)
    for (const json of args[0] === 'export' ? [[]] : [[], ['--json']]) {
      const { stdout, stderr } = await run(dir, ...args, ...json)
      checkOutput(t, stdout + stderr, plain(args.join(' ')))
    }
  }
})

t.test('JSON gives back the name as it is', async (t) => {
  const dir = await evilFolder(t)
  t.match(await runJson(dir, 'user', 'list'), [{}, { username: evil }])
  t.match(await runJson(dir, 'doc', 'show', evil, evil), { document: evil, metadata: { title: evil } })
})

t.test('a spreadsheet gets what the reader sent, a screen does not', async (t) => {
  const dir = await evilFolder(t)
  t.match((await run(dir, 'export', '--all', '--format', 'csv')).stdout, evil)
  t.intercept(process.stdout, 'isTTY', { value: true })
  checkOutput(t, (await run(dir, 'export', '--all', '--format', 'csv')).stdout, 'on a screen')
})

t.test('what was typed, and the names of books, are printed safely too', async (t) => {
  const dir = await folder(t)
  const book = join(dir, toFileName('x') + evil)
  await writeFile(book, 'x')
  for (const args of [[`\u001b[31m${evil}`], ['hash', book], ['hash', '--json', book], ['hash', join(dir, evil)]]) {
    const { stdout, stderr } = await kss(t, args)
    t.notMatch(stdout + stderr, unsafe)
  }
})
