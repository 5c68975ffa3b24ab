import t from 'tap'
import { book, digest } from '../audiobookshelf/bridged.ts'
import { AbsStub } from '../audiobookshelf/stub.ts'
import { until } from '../until.ts'
import { kss, serve } from './kss.ts'

const headers = { 'x-auth-user': 'ann', 'x-auth-key': 'secret-key' }

t.test('kss audiobookshelf asks the running server', async (t) => {
  const stub = await AbsStub.start(t)
  stub.addItem(book)
  const dir = t.testdir({})
  const env = { AUDIOBOOKSHELF_BASE_URL: stub.url, AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann"}' }
  const { url, stop } = await serve(t, dir, [], env)
  const body = JSON.stringify({ username: 'ann', password: 'secret-key' })
  await fetch(`${url}/users/create`, { method: 'POST', body })
  const put = (document: string, title = '', percentage = 0.4): Promise<Response> =>
    fetch(`${url}/syncs/progress`, {
      method: 'PUT',
      headers,
      body: JSON.stringify({
        document,
        percentage,
        progress: '/body/DocFragment[3].0',
        device: 'kobo',
        metadata: { title },
      }),
    })
  await put(digest)
  await put('other')
  await put('like', book.title)
  await put('third')
  const run = async (...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    await kss(t, ['audiobookshelf', ...args, '--dir', dir])
  await until(() => stub.records.length > 0)
  await until(async () => (await run('status')).stdout === `${stub.url}: answers. 0 positions waiting.\n`)
  t.match(await run('test', 'ann'), { code: 0, stdout: 'The key is that of ann' })
  t.match((await run('links', 'ann')).stdout, /digest/)
  t.match(await run('link', 'ann', 'other', book.id), { code: 0, stdout: 'Linked.' })
  t.match((await run('links', 'ann')).stdout, /by hand/)
  t.match(await run('unlink', 'ann', 'other'), { code: 0, stdout: 'Not linked any more.' })
  t.match((await run('links', 'ann')).stdout, /not linked/)
  t.match(await run('link', 'ann', 'other', 'none'), { code: 1, stderr: 'has no such item' })
  t.match((await run('links', 'ann')).stdout, new RegExp(`like +A Book +${book.id} +suggested`))
  stub.addItem({ ...book, id: 'item-other' })
  t.match(await run('link', 'ann', 'third', 'item-other'), { code: 0 })
  stub.items.delete('item-other')
  await put('third', '', 0.7)
  await until(async () => (await run('links', 'ann')).stdout.includes('gone'))
  await stub.down()
  await put(digest)
  await until(async () => (await run('status')).stdout.includes('1 position waiting'))
  t.match((await run('retry', '--json')).stdout, /"trouble"/)
  t.match(await run('test', 'ann'), { code: 1, stdout: 'cannot be reached', stderr: 'The connection does not work' })
  t.equal(await stop(), 0)
})

t.test('without a server, or without the bridge, it says so', async (t) => {
  const dir = t.testdir({})
  const { stop } = await serve(t, dir)
  t.match(await kss(t, ['audiobookshelf', 'status', '--dir', dir]), {
    code: 1,
    stderr: 'No kss server with AUDIOBOOKSHELF_BASE_URL',
  })
  await stop()
  t.match(await kss(t, ['audiobookshelf', 'status', '--dir', dir]), { code: 1, stderr: 'No kss server' })
})
