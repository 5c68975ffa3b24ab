import t from 'tap'
import { listStoredUsers } from '../../../../src/store/file-store/files/list-users.ts'

const auth = (username: string): string => JSON.stringify({ 'x-auth-user': username, 'x-auth-key': 'K' })

t.test('all whose credential can be read are listed, and no stranger’s folder', async (t) => {
  const dir = t.testdir({
    '%41nn': { 'auth.json': auth('Ann') },
    Bob: { 'auth.json': auth('Bob') },
    broken: { 'auth.json': '{' },
    '.tmp-carl': { 'auth.json': auth('carl') },
    'lost+found': { 'auth.json': auth('lost+found') },
    photos: {},
    file: '',
  })
  t.same(new Set((await listStoredUsers(dir)).map(({ username }) => username)), new Set(['Ann', 'Bob']))
  const leftOut: string[] = []
  await listStoredUsers(dir, ({ message }) => leftOut.push(message))
  t.same(leftOut, [`${dir}/broken/auth.json: is not JSON`])
})
