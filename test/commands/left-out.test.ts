import { spawnSync } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import t from 'tap'
import { pushed } from '../store/contract.ts'
import { run } from './run.ts'
import { folder, stateFolder } from './state-fixture.ts'
import { launcher } from '../launcher.ts'

/** More than a process may open below. */
const many = 400

/** Runs kss where a process may open few files. */
function runWithFewFiles(args: string[]): { status: number | null; stdout: string; stderr: string } {
  const command = 'ulimit -n 128; exec "$@"'
  return spawnSync('bash', ['-c', command, '-', process.execPath, launcher, ...args], { encoding: 'utf8' })
}

const auth = (username: string): string => JSON.stringify({ 'x-auth-user': username, 'x-auth-key': 'K' })

t.test('all accounts are listed and exported where a process may open few files', async (t) => {
  const dir = await folder(t)
  const names = Array.from({ length: many }, (_, number) => `user${number}`)
  for (const name of names) {
    await mkdir(join(dir, name))
    await writeFile(join(dir, name, 'auth.json'), auth(name))
    await writeFile(join(dir, name, 'abc.json'), JSON.stringify(pushed))
  }
  const listed = runWithFewFiles(['user', 'list', '--json', '--dir', dir])
  t.match(listed, { status: 0, stderr: '' })
  t.equal((JSON.parse(listed.stdout) as unknown[]).length, many)
  const file = join(await folder(t), 'all.csv')
  const csv = runWithFewFiles(['export', '--all', '--format', 'csv', '-o', file, '--dir', dir])
  t.match(csv, { status: 0, stderr: '' })
  t.equal((await readFile(file, 'utf8')).trim().split('\r\n').length, many + 1)
})

t.test('all books are identified where a process may open few files', async (t) => {
  const dir = await stateFolder(t)
  const books = await folder(t)
  const paths = Array.from({ length: many }, (_, number) => join(books, `${number}.epub`))
  for (const path of paths) await writeFile(path, path)
  const identified = runWithFewFiles(['doc', 'identify', '--json', '--dir', dir, ...paths])
  t.match(identified, { status: 0, stderr: '' })
  t.equal((JSON.parse(identified.stdout) as unknown[]).length, many)
})

t.test('an account that cannot be read is a line and exit code 4, wherever all accounts are read', async (t) => {
  const dir = await stateFolder(t)
  for (const [name, text] of [
    ['broken', '{'],
    ['nameless', '{"x-auth-key":"K"}'],
    ['copy', auth('alice')],
  ] as const) {
    await mkdir(join(dir, name))
    await writeFile(join(dir, name, 'auth.json'), text)
  }
  await mkdir(join(dir, 'lost'))
  await writeFile(join(dir, 'lost', 'abc.json'), JSON.stringify(pushed))
  await mkdir(join(dir, 'odd', 'auth.json'), { recursive: true })
  await mkdir(join(dir, 'not ours', 'photos'), { recursive: true })
  await writeFile(join(dir, 'a file'), '')
  const book = join(await folder(t), 'Dune.epub')
  await writeFile(book, 'Arrakis')
  const lines = [
    `Left out: ${dir}/broken/auth.json: is not JSON. kss check tells more.`,
    `Left out: ${dir}/copy/auth.json: is of the user "alice", whose folder is alice. kss check tells more.`,
    `Left out: ${dir}/lost/auth.json: is missing. kss check tells more.`,
    `Left out: ${dir}/nameless/auth.json: has no x-auth-user. kss check tells more.`,
    `Left out: ${dir}/odd/auth.json: cannot be read: EISDIR. kss check tells more.`,
  ]
  for (const args of [
    ['user', 'list'],
    ['export', '--all', '--format', 'csv'],
    ['export', '--all', '-o', join(await folder(t), 'all.tar.gz')],
    ['export', '--all', '--format', 'kss-python', '-o', join(await folder(t), 'old.tar.gz')],
    ['history', 'prune', '--keep', '5', '--yes'],
    ['doc', 'identify', book],
  ]) {
    const { code, stderr } = await run(dir, ...args)
    t.equal(code, 4, args.join(' '))
    t.same(stderr.trim().split('\n').toSorted(), lines, args.join(' '))
  }
  t.match((await run(dir, 'user', 'list')).stdout, /\nalice +1 .*\n$/)
})

t.test('a record that cannot be read is a line and exit code 4, and an archive has it as it is', async (t) => {
  const dir = await stateFolder(t)
  await writeFile(join(dir, 'alice', 'broken.json'), '{')
  const stderr = `Damaged: ${dir}/alice/broken.json: is not JSON. kss check tells more.\n`
  const old = join(await folder(t), 'old.tar.gz')
  for (const args of [
    ['user', 'list'],
    ['export', '--all', '--format', 'csv'],
    ['export', 'alice', '--format', 'kss-python', '-o', old],
  ]) {
    t.match(await run(dir, ...args), { code: 4, stderr }, args.join(' '))
  }
  const archive = join(await folder(t), 'all.tar.gz')
  t.match(await run(dir, 'export', '--all', '-o', archive), { code: 0, stderr: '' })
  const names = (await unpackTar(gunzipSync(await readFile(archive)))).map(({ header }) => header.name)
  t.ok(names.includes('alice/broken.json'))
})

t.test('a command for one account that cannot be read is a line and exit code 4', async (t) => {
  const dir = await stateFolder(t)
  const file = join(dir, 'alice', 'auth.json')
  await writeFile(file, '{')
  for (const args of [
    ['doctor', 'alice'],
    ['user', 'disable', 'alice'],
    ['export', 'alice', '--format', 'csv'],
  ]) {
    const stderr = `It failed: ${file}: is not JSON. See: kss check\n`
    t.match(await run(dir, ...args), { code: 4, stderr }, args.join(' '))
  }
})

t.test('where something was left out, no command says that there is nothing', async (t) => {
  const dir = await folder(t)
  await mkdir(join(dir, 'broken'))
  await writeFile(join(dir, 'broken', 'auth.json'), '{')
  const stderr = `Left out: ${dir}/broken/auth.json: is not JSON. kss check tells more.\n`
  t.same(await run(dir, 'user', 'list'), { code: 4, stdout: '', stderr })
  const doctor = await run(dir, 'doctor')
  t.match(doctor, { code: 4, stderr })
  t.notMatch(doctor.stdout, 'Nothing is wrong')
})

t.test('an account with a file that the disk cannot read is left out of the list, and told', async (t) => {
  const dir = await stateFolder(t, (store) => store.createUser({ username: 'bob', key: 'K' }))
  await mkdir(join(dir, 'bob', 'abc.json'))
  const { code, stdout, stderr } = await run(dir, 'user', 'list')
  t.equal(code, 4)
  t.match(stderr, /^Left out: bob: EISDIR: .*\. kss check tells more\.\n$/)
  t.match(stdout, /\nalice /)
  t.notMatch(stdout, 'bob')
  await rm(join(dir, 'bob', 'abc.json'), { recursive: true })
  t.match(await run(dir, 'user', 'list'), { code: 0, stderr: '' })
})
