import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { OperatorsFile } from '../../../src/store/file-store/operators-file.ts'

const listOf = (dir: string): string => join(dir, '.console', 'operators.json')
const readList = async (dir: string): Promise<unknown> => JSON.parse(await readFile(listOf(dir), 'utf8'))

/** A folder with the auth.json of these users; those with a star are operators. */
async function makeFolder(t: Test, ...names: string[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  for (const name of names) await writeAuth(dir, name)
  return dir
}

async function writeAuth(dir: string, name: string): Promise<void> {
  const username = name.replace('*', '')
  await mkdir(join(dir, username), { recursive: true })
  const fields = { 'x-auth-user': username, 'x-auth-key': 'K', ...(name.endsWith('*') && { admin: true }) }
  await writeFile(join(dir, username, 'auth.json'), JSON.stringify(fields))
}

t.test('in a new folder there is no operator, and nothing is made', async (t) => {
  const dir = await makeFolder(t)
  t.equal(await new OperatorsFile(dir).hasOne(), false)
  await t.rejects(stat(join(dir, '.console')), { code: 'ENOENT' })
})

for (const [names, found] of [
  [['ann', 'bob'], []],
  [['ann', 'bob*'], ['bob']],
] as const) {
  t.test(`of ${names.join(' and ')} the operators are found once, and remembered`, async (t) => {
    const dir = await makeFolder(t, ...names)
    t.equal(await new OperatorsFile(dir).hasOne(), found.length > 0)
    t.same(await readList(dir), { operators: found })
    // What is not asked again is not noticed.
    await writeAuth(dir, 'ann*')
    t.equal(await new OperatorsFile(dir).hasOne(), found.length > 0)
    t.same(await readList(dir), { operators: found })
  })
}

t.test('who is in the list counts only while auth.json says so; then all are looked at again', async (t) => {
  const dir = await makeFolder(t, 'ann*', 'bob')
  const operators = new OperatorsFile(dir)
  t.equal(await operators.hasOne(), true)
  await rename(join(dir, 'ann'), join(dir, 'amy'))
  t.equal(await operators.hasOne(), true)
  t.same(await readList(dir), { operators: ['amy'] })
  await writeAuth(dir, 'amy')
  t.equal(await operators.hasOne(), false)
  t.same(await readList(dir), { operators: [] })
})

t.test('a new operator is added; when one is none any more, the others are looked for', async (t) => {
  const dir = await makeFolder(t, 'ann*', 'bob*')
  const operators = new OperatorsFile(dir)
  await operators.set('ann', true)
  t.same(await readList(dir), { operators: ['ann'] })
  await operators.set('bob', true)
  t.same(await readList(dir), { operators: ['ann', 'bob'] })
  await writeAuth(dir, 'ann')
  await operators.set('ann', false)
  t.equal(await operators.hasOne(), true)
  t.same(await readList(dir), { operators: ['bob'] })
})

t.test('a list that is damaged counts as none, and so does an account', async (t) => {
  const dir = await makeFolder(t, 'ann*')
  await mkdir(join(dir, 'bob', 'auth.json'), { recursive: true })
  await mkdir(join(dir, 'carl'))
  await writeFile(join(dir, 'carl', 'auth.json'), '{')
  await mkdir(join(dir, '.console'))
  for (const text of ['{', '{"operators":"ann"}']) {
    await writeFile(listOf(dir), text)
    t.equal(await new OperatorsFile(dir).hasOne(), true)
    t.same(await readList(dir), { operators: ['ann'] })
  }
})

t.test('a change while all are looked at wins', async (t) => {
  const dir = await makeFolder(t, 'ann')
  const operators = new OperatorsFile(dir)
  const asked = operators.hasOne()
  await operators.set('ann', true)
  await asked
  t.same(await readList(dir), { operators: ['ann'] })
})

t.test('a stop ends the search, and waits for it', async (t) => {
  const dir = await makeFolder(t, 'ann')
  const operators = new OperatorsFile(dir)
  const asked = operators.hasOne()
  await Promise.all([t.rejects(asked, { message: 'The server stops.' }), operators.stop()])
  await t.rejects(stat(listOf(dir)), { code: 'ENOENT' })
  await new OperatorsFile(dir).stop()
})

t.test(
  'a folder that cannot be written to is an error',
  { skip: process.getuid?.() === 0 && 'root may' },
  async (t) => {
    const dir = await makeFolder(t, 'ann')
    await chmod(dir, 0o500)
    await t.rejects(new OperatorsFile(dir).hasOne(), { code: 'EACCES' })
    await chmod(dir, 0o700)
  },
)
