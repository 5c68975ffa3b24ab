import { join } from 'node:path'
import t from 'tap'
import { blockingReads, threadReads } from '../../../../src/store/file-store/files/file-reads.ts'
import { compareFolders, listUserFolders, readStoredUser } from '../../../../src/store/file-store/files/list-users.ts'

const auth = (username: string): string => JSON.stringify({ 'x-auth-user': username, 'x-auth-key': 'K' })

t.test('folders are listed in the order of their users’ names, without those of no user', async (t) => {
  const dir = t.testdir({ '%41nn': {}, bob: {}, 'raw%zz': {}, '.tmp-carl': {}, 'lost+found': {}, photos: {}, file: '' })
  t.same(await listUserFolders(dir), ['%41nn', 'bob', 'photos', 'raw%zz'])
})

t.test('names that are equal for a person have one order all the same', async (t) => {
  const [one, other] = ['%c3%a9', 'e%cc%81']
  t.equal(compareFolders(one, other), -compareFolders(other, one))
  t.not(compareFolders(one, other), 0)
  t.equal(compareFolders(one, one), 0)
})

for (const [name, reads] of Object.entries({ blockingReads, threadReads })) {
  t.test(`whose credential can be read is a user, also under a raw name: ${name}`, async (t) => {
    const dir = t.testdir({ Bob: { 'auth.json': auth('Bob') }, broken: { 'auth.json': '{' }, photos: {} })
    t.match(await readStoredUser(reads, dir, 'Bob'), { user: { username: 'Bob' } })
    await t.rejects(readStoredUser(reads, dir, 'broken'), { message: `${dir}/broken/auth.json: is not JSON` })
    t.equal(await readStoredUser(reads, dir, 'photos'), undefined)
  })

  t.test(`a folder that went away since the folders were listed has no user, nor files: ${name}`, async (t) => {
    const dir = t.testdir({})
    t.equal(await readStoredUser(reads, dir, 'gone'), undefined)
    t.same(await reads.entries(join(dir, 'gone')), [])
  })
}
