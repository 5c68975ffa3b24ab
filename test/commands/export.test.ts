import { execFileSync, spawnSync } from 'node:child_process'
import { link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import t, { type Test } from 'tap'
import type { Progress } from '../../src/kosync/protocol.ts'
import { hardNames, pushed } from '../store/contract.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { checkOutput } from '../../src/commands/output-file.ts'
import { kss } from './kss.ts'
import { run, runJson } from './run.ts'
import { dune, folder, headersOf, openStore, places, serveHere, stateFolder } from './state-fixture.ts'
import { adminByName, byName, usernamesOf } from '../store/by-name.ts'
import { launcher } from '../launcher.ts'

const isUtilLinux = /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout)
const noScript = !isUtilLinux && 'there is no script(1) of util-linux, which makes a pseudo-terminal'

/** Reads CSV with CRLF. Throws where it breaks a rule. @see RFC 4180 */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  if (!text.startsWith('\ufeff')) throw new Error('no byte order mark')
  let rest = text.slice(1)
  while (rest !== '') {
    const [whole, quoted, bare, end] = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(rest) ?? []
    if (whole === undefined) throw new Error(`no cell: ${JSON.stringify(rest.slice(0, 40))}`)
    row.push(quoted?.replaceAll('""', '"') ?? bare ?? '')
    if (end === '\r\n') {
      rows.push(row)
      row = []
    }
    rest = rest.slice(whole.length)
  }
  return rows
}

/** The rows by the names in the head. */
function readTable(text: string): Record<string, string>[] {
  const [head = [], ...rows] = parseCsv(text)
  for (const row of rows) if (row.length !== head.length) throw new Error(`${row.length} cells: ${row.join()}`)
  return rows.map((row) => Object.fromEntries(head.map((name, number) => [name, row[number] ?? ''])))
}

/** Names and contents of a gzipped tar. */
async function readArchive(bytes: Buffer): Promise<Map<string, string>> {
  const entries = await unpackTar(gunzipSync(bytes))
  return new Map(entries.map(({ header, data }) => [header.name, Buffer.from(data ?? []).toString()]))
}

const at = (number: number, timestamp: number, more: Partial<Progress> = {}): Progress => ({
  ...pushed,
  progress: `${number}`,
  timestamp,
  ...more,
})

/** Runs a command that must succeed and has nothing to say; resolves to the bytes in the file. */
async function exportTo(t: Test, dir: string, ...args: string[]): Promise<Buffer> {
  const file = join(await folder(t), 'export')
  const { code, stdout, stderr } = await run(dir, 'export', ...args, '-o', file)
  t.same({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' })
  return await readFile(file)
}

/** All that a store says of these users and documents. */
async function contentOf(dir: string, usernames: string[], documents: string[]): Promise<unknown> {
  const store = await openStore(dir)
  const users = usernames.map(async (username) => {
    const each = documents.map(async (document) => {
      return [await byName(store).getProgress(username, document), await byName(store).listHistory(username, document)]
    })
    const user = await store.getUser(username)
    return [username, user?.key, user?.disabled, await Promise.all(each)]
  })
  const content = await Promise.all(users)
  await store.close()
  return content
}

t.test('what kss exports is restored with all names, histories, titles and locks', async (t) => {
  const dir = await stateFolder(t, async (store) => {
    for (const [number, name] of hardNames.entries()) {
      await store.createUser({ username: name, key: `key of ${name}` })
      await byName(store).putProgress(name, at(number, 1000, { document: name, metadata: { title: name } }))
      await byName(store).putProgress(name, at(number + 1, 2000, { document: name, device_id: 'A' }))
    }
    await adminByName(store).putTitle('ann', 'ann', 'A title')
    await adminByName(store).setDisabled('Ann', true)
  })
  const file = join(await folder(t), 'all.tar.gz')
  const exported = await kss(t, ['export', '--all', '-o', file, '--dir', dir])
  t.same(exported, { code: 0, stdout: '', stderr: '' })
  const target = join(await folder(t), 'new')
  const restored = await kss(t, ['backup', 'restore', file, '--dir', target])
  t.same([restored.code, restored.stderr], [0, ''])
  const usernames = [...hardNames, 'alice']
  const documents = [...hardNames, dune]
  t.same(await contentOf(target, usernames, documents), await contentOf(dir, usernames, documents))
  const store = await openStore(target)
  t.same((await usernamesOf(store)).toSorted(), usernames.toSorted())
  await store.close()
  t.equal((await run(target, 'check')).stdout, 'All is well.\n')
})

t.test('one account comes alone, to standard output too, with what was pushed a moment ago', async (t) => {
  const dir = await stateFolder(t, (store) => store.createUser({ username: 'Bob', key: 'K' }))
  const server = await serveHere(t, dir)
  const body = JSON.stringify({ document: 'new', percentage: 0.5, progress: '7', device: 'Kobo' })
  const headers = headersOf('alice', 'wonderland')
  t.equal((await fetch(`${server.url}/syncs/progress`, { method: 'PUT', headers, body })).status, 200)
  const alice = await readArchive(await exportTo(t, dir, 'alice'))
  t.same(
    [...alice.keys()].toSorted(),
    [
      `alice/${dune}.json`,
      'alice/auth.json',
      `alice/history/${dune}.jsonl`,
      'alice/history/new.jsonl',
      'alice/new.json',
      'kss-backup.json',
    ].toSorted(),
  )
  t.match(JSON.parse(alice.get('alice/new.json') ?? ''), { document: 'new', progress: '7' })
  await server.close()

  const bytes = execFileSync(process.execPath, [launcher, 'export', 'Bob', '--dir', dir])
  t.same([...(await readArchive(bytes)).keys()], ['kss-backup.json', '%42ob/auth.json'])
  const file = join(await folder(t), 'bob.tar.gz')
  await writeFile(file, bytes)
  const other = await stateFolder(t)
  t.equal((await run(other, 'backup', 'restore', '--merge', file)).code, 0)
  t.match(await runJson(other, 'user', 'list'), [{ username: 'alice' }, { username: 'Bob' }])
})

t.test('a spreadsheet has every change, in cells that survive what readers name themselves', async (t) => {
  const odd = 'a "quoted", odd\r\nname\n'
  const formulas = ['=1+1', '+1', '-1', '@SUM(A1)', '\ttab', '\rreturn']
  const dir = await stateFolder(t, async (store) => {
    await store.createUser({ username: 'Zoë', key: 'K' })
    for (const [number, device] of formulas.entries()) {
      await byName(store).putProgress(
        'Zoë',
        at(number, 1000 + number, { document: 'formulas', device, device_id: device }),
      )
    }
    await byName(store).putProgress('Zoë', at(1, 1000, { document: odd, metadata: { title: odd } }))
    await byName(store).putProgress('Zoë', at(1, 1000, { document: '=document', metadata: { filename: 'a,b.epub' } }))
    await byName(store).putProgress('Zoë', at(1, 1000, { document: 'below', percentage: -0.5 }))
    await byName(store).putProgress('Zoë', at(1, 1000, { document: '李', progress: '' }))
    // Long after the end of time.
    await adminByName(store).importAccount('Zoë', [{ rows: [at(1, 9e15, { document: 'late' })] }])
  })
  await writeFile(join(dir, '%5ao%c3%ab', 'broken.json'), '{')
  const { code, stdout, stderr } = await kss(t, ['export', '--all', '--format', 'csv', '--dir', dir])
  const damaged = join(dir, '%5ao%c3%ab', 'broken.json')
  t.same({ code, stderr }, { code: 4, stderr: `Damaged: ${damaged}: is not JSON. kss check tells more.\n` })
  t.equal(
    stdout.slice(0, stdout.indexOf('\r\n')),
    '\ufeff"username","document","title","time","percentage","progress","device","device_id","latest"',
  )
  const rows = readTable(stdout)
  t.same(
    rows.filter(({ username }) => username === 'alice'),
    places.map(({ percentage, progress, device, device_id, timestamp }, number) => ({
      username: 'alice',
      document: dune,
      title: 'Dune',
      time: new Date(timestamp * 1000).toISOString(),
      percentage: `${percentage}`,
      progress,
      device,
      device_id,
      latest: number === places.length - 1 ? 'yes' : 'no',
    })),
  )
  const of = (document: string): Record<string, string>[] => rows.filter((row) => row['document'] === document)
  t.same(
    of('formulas').map(({ device, device_id, latest }) => [device, device_id, latest]),
    formulas.map((formula, number) => [`'${formula}`, `'${formula}`, number === formulas.length - 1 ? 'yes' : 'no']),
  )
  t.match(of(odd), [{ username: 'Zoë', title: odd, time: '1970-01-01T00:16:40.000Z', device_id: '', latest: 'yes' }])
  t.match(of("'=document"), [{ title: 'a,b.epub' }])
  t.match(of('below'), [{ percentage: "'-0.5" }])
  t.match(of('李'), [{ title: '', progress: '' }])
  t.same(of('late')[0]?.['time'], '')
  t.equal(rows.length, places.length + formulas.length + 5)

  const alone = readTable(String(await exportTo(t, dir, 'alice', '--format', 'csv')))
  t.same(
    alone,
    rows.filter(({ username }) => username === 'alice'),
  )
  t.equal((await run(dir, 'export', '--all', '--format', 'csv')).stdout, stdout)
})

t.test('Python kss gets its own layout, under the raw names and without what it cannot use', async (t) => {
  const hash = '$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g'
  const long = 'x'.repeat(250)
  const bad = ['auth', '../x', '.hidden', 'a/b', 'a\\b', 'nul\0byte', `${long}x`, 'é'.repeat(126)]
  const dir = await stateFolder(t, async (store) => {
    await store.createUser({ username: 'Zoë', key: hash })
    await store.createUser({ username: '..', key: 'K' })
    await store.createUser({ username: 'a/b', key: hash })
    for (const document of ['Foo Bar', '李', long, ...bad, 'bell\u0007/x']) {
      await byName(store).putProgress('Zoë', at(1, 1000, { document }))
      await byName(store).putProgress('Zoë', at(2, 2000, { document, device_id: 'A', metadata: { title: 'T' } }))
    }
  })
  const file = join(await folder(t), 'old.tar.gz')
  const { code, stdout, stderr } = await kss(t, ['export', '--all', '--format', 'kss-python', '-o', file, '--dir', dir])
  t.same({ code, stdout }, { code: 4, stdout: '' })
  const lines = [
    'Left out: .., which is no folder name.',
    'Left out: a/b, which is no folder name.',
    'Zoë comes without its password: Python kss cannot check a hashed key. Register the name again there.',
    ...[...bad.with(5, 'nul\\u{0}byte'), 'bell\\u{7}/x'].map((name) => `Left out: ${name}, which is no file name.`),
  ]
  t.same(stderr.split('\n').toSorted(), ['', ...lines].toSorted())
  const archive = await readArchive(await readFile(file))
  const files = Object.fromEntries([...archive].map(([name, text]) => [name, JSON.parse(text) as unknown]))
  const record = (document: string): Progress => ({ ...at(2, 2000, { document, device_id: 'A' }) })
  const { document, progress, percentage, device, device_id, timestamp } = places.at(-1)!
  const key = headersOf('alice', 'wonderland')['x-auth-key']
  t.same(files, {
    'alice/auth.json': { 'x-auth-user': 'alice', 'x-auth-key': key },
    [`alice/${dune}.json`]: { document, progress, percentage, device, device_id, timestamp },
    'Zoë/Foo Bar.json': record('Foo Bar'),
    'Zoë/李.json': record('李'),
    [`Zoë/${long}.json`]: record(long),
  })

  const unpacked = await folder(t)
  execFileSync('tar', ['-xzf', file, '-C', unpacked])
  const again = await folder(t)
  // As Python kss does when Zoë registers again: it makes the file where there is none.
  await writeFile(join(unpacked, 'Zoë', 'auth.json'), JSON.stringify({ 'x-auth-user': 'Zoë', 'x-auth-key': 'K' }))
  t.equal((await run(again, 'import', 'kss-python', unpacked)).code, 0)
  t.match(await runJson(again, 'doc', 'list', 'Zoë'), [{ document: String }, {}, {}])
  const bytes = await exportTo(t, dir, 'alice', '--format', 'kss-python')
  t.same([...(await readArchive(bytes)).keys()], ['alice/auth.json', `alice/${dune}.json`])
})

for (const format of ['kss', 'csv', 'kss-python']) {
  t.test(`a file of format ${format} is whole or not at all, and for nobody else`, async (t) => {
    const dir = await stateFolder(t)
    const target = await folder(t)
    const [file, other] = [join(target, 'export'), join(target, 'other')]
    await writeFile(file, 'the old one', { mode: 0o644 })
    await link(file, other)
    const args = ['export', 'alice', '--format', format, '-o', file]

    const disk = faultyDisk(t)
    disk.fail('rename', new RegExp(`^${target}/\\.tmp-`), 'ENOSPC')
    const failed = await run(dir, ...args)
    disk.mend()
    t.same(failed, { code: 1, stdout: '', stderr: 'It failed: ENOSPC: rename\n' })
    t.equal(await readFile(file, 'utf8'), 'the old one')
    t.same((await readdir(target)).toSorted(), ['export', 'other'], 'no temporary file is left')

    t.equal((await run(dir, ...args)).code, 0)
    t.equal((await stat(file)).mode & 0o777, 0o600)
    t.ok((await readFile(file)).length > 100)
    t.equal(await readFile(other, 'utf8'), 'the old one', 'it was replaced, not written over')
    t.same((await readdir(target)).toSorted(), ['export', 'other'])
  })
}

t.test('what cannot be exported is told in a line', async (t) => {
  const dir = await stateFolder(t)
  const file = join(await folder(t), 'export')
  const cases: [string[], number, RegExp][] = [
    [[], 2, /^Pass an account, or --all\.\n$/],
    [['alice', '--all'], 2, /^Pass an account, or --all\.\n$/],
    [['alice', '--format', 'xml'], 2, /'xml' is invalid\. Allowed choices are kss, csv, kss-python\.\n/],
    [['alice', 'bob'], 2, /too many arguments/],
    [['eve'], 1, /^There is no user eve\. See: kss user list\n$/],
    [['alice', '--dir', join(dir, 'none')], 1, /^There is no folder .*none\. Pass the state directory with --dir\.\n$/],
  ]
  for (const [args, code, message] of cases) {
    const ended = await run(dir, 'export', ...args, '-o', file)
    t.same([ended.code, ended.stdout], [code, ''], args.join(' '))
    t.match(ended.stderr, message)
  }
  for (const format of ['kss', 'csv', 'kss-python']) {
    const nowhere = await run(dir, 'export', 'alice', '--format', format, '-o', join(dir, 'none', 'x'))
    t.equal(nowhere.code, 1)
    t.match(nowhere.stderr, /^There is no folder .*none\.\n$/)
  }
  await t.rejects(stat(file), { code: 'ENOENT' })
})

t.test('an export or a backup takes the place of a file only', async (t) => {
  const dir = await stateFolder(t)
  const target = join(await folder(t), 'fifo')
  t.equal(spawnSync('mkfifo', [target]).status, 0)
  const stderr = `${target} can be no file. For standard output pass -\n`
  t.same(await run(dir, 'export', 'alice', '-o', target), { code: 2, stdout: '', stderr })
  t.same(await run(dir, 'backup', 'create', target), { code: 2, stdout: '', stderr })
  t.ok((await stat(target)).isFIFO())
  // Where standard output is a file, /dev/stdout is a link to one.
  await t.rejects(checkOutput('/dev/none'), {
    message: '/dev/none can be no file. For standard output pass -',
    exitCode: 2,
  })
})

t.test('nothing is exported while pushes are not in their files', async (t) => {
  const dir = await stateFolder(t)
  const server = await serveHere(t, dir)
  await rm(join(dir, 'alice', 'history'), { recursive: true })
  await writeFile(join(dir, 'alice', 'history'), 'in the way')
  const headers = headersOf('alice', 'wonderland')
  const body = JSON.stringify({ document: 'new', percentage: 0.5, progress: '7', device: 'Kobo' })
  t.equal((await fetch(`${server.url}/syncs/progress`, { method: 'PUT', headers, body })).status, 200)
  const file = join(await folder(t), 'export')
  for (const format of ['kss', 'csv', 'kss-python']) {
    const { code, stderr } = await run(dir, 'export', 'alice', '--format', format, '-o', file)
    t.same([code, stderr], [1, 'Some positions are not in their files yet. Try again; see the log.\n'])
  }
  await t.rejects(stat(file), { code: 'ENOENT' })
  await rm(join(dir, 'alice', 'history'))
  await mkdir(join(dir, 'alice', 'history'), { mode: 0o700 })
  t.match(readTable(String(await exportTo(t, dir, 'alice', '--format', 'csv'))), [{}, { document: 'new' }])
  await server.close()
})

t.test('a terminal takes no archive, but a table', { skip: noScript }, async (t) => {
  const dir = await stateFolder(t)
  const type = (...args: string[]): { status: number | null; stdout: string } => {
    const command = [process.execPath, launcher, 'export', 'alice', ...args, '--dir', dir].map((word) => `'${word}'`)
    return spawnSync('script', ['-qec', command.join(' '), '/dev/null'], { encoding: 'utf8', input: '' })
  }
  for (const format of ['kss', 'kss-python']) {
    const { status, stdout } = type('--format', format)
    t.equal(status, 2, format)
    t.equal(stdout, 'An archive cannot be written to a terminal. Pass a file with -o FILE.\r\n')
  }
  const table = type('--format', 'csv')
  t.equal(table.status, 0)
  t.match(table.stdout, /^"username","document",/)
  const file = join(await folder(t), 'export')
  t.equal(type('-o', file).status, 0)
  t.ok((await readArchive(await readFile(file))).has('alice/auth.json'))
})

t.test('- stands for standard output', async (t) => {
  const dir = await stateFolder(t)
  const expected = await run(dir, 'export', 'alice', '--format', 'csv')
  t.equal(expected.code, 0)
  t.same(await run(dir, 'export', 'alice', '--format', 'csv', '-o', '-'), expected)
  t.same(parseCsv(expected.stdout)[0]?.[0], 'username')
})
