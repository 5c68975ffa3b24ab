import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SessionFiles } from '../../../src/store/file-store/session-files.ts'
import type { Session } from '../../../src/store/store.ts'
import { testSessions } from '../sessions-contract.ts'

const now = (): number => 4_000_000_000_000
const hash = 'a'.repeat(64)
const session: Session = {
  hash,
  username: 'ann',
  accountId: 'id',
  generation: 1,
  isOperator: false,
  created: 4_000_000_000,
  lastSeen: 4_000_000_000,
  lastPassword: 4_000_000_000,
}

async function tempFolder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

const folderOf = (dir: string): string => join(dir, '.console', 'sessions')

testSessions(t, async (t) => new SessionFiles({ dir: await tempFolder(t), now }))

t.test(
  'a session is a file for its owner alone, without what the browser keeps, and is there after a restart',
  async (t) => {
    const dir = await tempFolder(t)
    await new SessionFiles({ dir, now }).putSession(session)
    t.same(await readdir(folderOf(dir)), [`${hash}.json`])
    const path = join(folderOf(dir), `${hash}.json`)
    t.equal((await stat(path)).mode & 0o777, 0o600)
    t.equal((await stat(folderOf(dir))).mode & 0o777, 0o700)
    const { hash: _name, ...said } = session
    t.same(JSON.parse(await readFile(path, 'utf8')), said)
    t.same(await new SessionFiles({ dir, now }).getSession(hash), session)
  },
)

t.test('without sessions nothing is made', async (t) => {
  const dir = await tempFolder(t)
  const sessions = new SessionFiles({ dir })
  t.equal(await sessions.getSession(hash), undefined)
  await sessions.deleteSession(hash)
  t.same(await readdir(dir), [])
})

t.test('what has ended, what is no session and what a crash left go when the sessions are read', async (t) => {
  const dir = await tempFolder(t)
  const sessions = new SessionFiles({ dir, now })
  await sessions.putSession(session)
  const ended = { ...session, lastSeen: session.lastSeen - 30 * 86_400 }
  const files = {
    [`${'b'.repeat(64)}.json`]: JSON.stringify(ended),
    [`${'c'.repeat(64)}.json`]: '{',
    [`${'d'.repeat(64)}.json`]: JSON.stringify({ ...session, generation: 'x' }),
    '.tmp-1': '',
    'notes.txt': 'mine',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folderOf(dir), name), text)
  t.same(await new SessionFiles({ dir, now }).getSession(hash), session)
  t.same((await readdir(folderOf(dir))).toSorted(), [`${hash}.json`, 'notes.txt'])
})

t.test('a link in the place of a session, or of the folder, is not followed', async (t) => {
  const [dir, other] = [await tempFolder(t), await tempFolder(t)]
  await new SessionFiles({ dir: other, now }).putSession(session)
  await mkdir(folderOf(dir), { recursive: true })
  await symlink(join(folderOf(other), `${hash}.json`), join(folderOf(dir), `${hash}.json`))
  t.equal(await new SessionFiles({ dir, now }).getSession(hash), undefined)
  await rm(join(dir, '.console'), { recursive: true })
  await symlink(join(other, '.console'), join(dir, '.console'))
  const sessions = new SessionFiles({ dir, now })
  await t.rejects(async () => await sessions.getSession(hash), { code: 'DAMAGED_FILE' })
  await rm(join(dir, '.console'))
  t.equal(await sessions.getSession(hash), undefined, 'it is read again when that is mended')
})

t.test('a session that cannot be read is an error: it may be one that counts', async (t) => {
  const dir = await tempFolder(t)
  await mkdir(join(folderOf(dir), `${hash}.json`), { recursive: true })
  await t.rejects(async () => await new SessionFiles({ dir, now }).getSession(hash), { code: 'EISDIR' })
})
