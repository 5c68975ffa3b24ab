import t from 'tap'
import { eachStoredUser, listStoredUsers } from '../../../../src/store/file-store/files/list-users.ts'

const auth = (username: string): string => JSON.stringify({ 'x-auth-user': username, 'x-auth-key': 'K' })

t.test('all whose credential can be read are listed, and no stranger’s folder', async (t) => {
  const dir = t.testdir({
    '%41nn': { 'auth.json': auth('Ann') },
    Bob: { 'auth.json': auth('Bob') },
    'raw%zz': { 'auth.json': auth('raw%zz') },
    broken: { 'auth.json': '{' },
    '.tmp-carl': { 'auth.json': auth('carl') },
    'lost+found': { 'auth.json': auth('lost+found') },
    photos: {},
    file: '',
  })
  t.same(new Set((await listStoredUsers(dir)).map(({ username }) => username)), new Set(['Ann', 'Bob', 'raw%zz']))
  const leftOut: string[] = []
  await listStoredUsers(dir, ({ message }) => leftOut.push(message))
  t.same(leftOut, [`${dir}/broken/auth.json: is not JSON`])
})

t.test('a folder that went away since the folders were listed has no user', async (t) => {
  const told: string[] = []
  const users = eachStoredUser(t.testdir({}), ['gone'], ({ message }) => told.push(message))
  t.same(await users.next(), { value: undefined, done: false })
  t.same(told, [])
})
