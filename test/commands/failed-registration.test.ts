import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { folder, headersOf, serveHere } from './state-fixture.ts'

t.test('a registration whose flush fails leaves nothing, and works when it is tried again', async (t) => {
  const dir = await folder(t)
  const { url } = await serveHere(t, dir)
  const body = JSON.stringify({ username: 'ann', password: keyOfPassword('secret') })
  const register = async (): Promise<number> => (await fetch(`${url}/users/create`, { method: 'POST', body })).status
  const logIn = async (): Promise<number> =>
    (await fetch(`${url}/users/auth`, { headers: headersOf('ann', 'secret') })).status
  const disk = faultyDisk(t)
  disk.fail('sync', new RegExp(`^${dir}$`), 'EIO')
  for (const attempt of ['once', 'again']) {
    t.equal(await register(), 503, attempt)
    t.equal(await logIn(), 401, attempt)
    await t.rejects(access(join(dir, 'ann')), { code: 'ENOENT' })
  }
  t.same(
    (await readdir(dir)).filter((name) => name.startsWith('.tmp-')),
    [],
  )
  disk.mend()
  t.equal(await register(), 201)
  t.equal(await logIn(), 200)
  t.equal(await register(), 402)
})
