import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { kss, serve } from '../commands/kss.ts'
import { until } from '../until.ts'
import { book, digest } from './bridged.ts'
import { AbsStub, type Fault } from './stub.ts'

const own = 'own-key-of-ann-0123456789'
const secrets = [own, 'default-key-0123456789', 'token-for-a-proxy-0123456789']
const key = createHash('md5').update('secret').digest('hex')
const headers = { 'x-auth-user': 'ann', 'x-auth-key': key }

/** A browser in which ann is signed in. Resolves to what gets a page. */
async function signIn(url: string): Promise<(path: string) => Promise<string>> {
  const cookies = new Map<string, string>()
  const cookie = (): string => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const ask = async (path: string, form?: Record<string, string>): Promise<string> => {
    const response = await fetch(`${url}${path}`, {
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: cookie(), ...(form && { origin: url }) },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line)!
      cookies.set(name, value)
    }
    return await response.text()
  }
  const token = /name="token" value="([^"]*)"/.exec(await ask('/'))![1]!
  await ask('/sign-in', { token, username: 'ann', password: 'secret' })
  return ask
}

t.test('no secret is in a log, an error, a page, a backup, or a file but settings.json', async (t) => {
  const stub = await AbsStub.start(t)
  stub.addUser(own, 'ann')
  stub.addItem(book)
  const dir = t.testdir({
    '.audiobookshelf': { 'settings.json': JSON.stringify({ AUDIOBOOKSHELF_USER_MAP: `{"ann": "${own}"}` }) },
  })
  const env = {
    AUDIOBOOKSHELF_BASE_URL: stub.url,
    AUDIOBOOKSHELF_API_KEY: secrets[1],
    AUDIOBOOKSHELF_USER_TOKEN: secrets[2],
  }
  const texts = new Map<string, string>()
  const run = async (...args: string[]): Promise<void> => {
    const { stdout, stderr } = await kss(t, [...args, '--dir', dir], env)
    texts.set(args.join(' '), stdout + stderr)
  }
  const { url, log, errors, stop } = await serve(t, dir, ['--log-level', 'trace'], env)
  await fetch(`${url}/users/create`, { method: 'POST', body: JSON.stringify({ username: 'ann', password: key }) })
  const put = async (percentage: number): Promise<void> => {
    const body = { document: digest, percentage, progress: '/body/DocFragment[3].0', device: 'kobo' }
    await fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body: JSON.stringify(body) })
  }
  await put(0.4)
  await until(() => stub.records.length > 0)
  t.ok(
    stub.seen.some((each) => each.headers.authorization === `Bearer ${own}`),
    'the key of settings.json is used',
  )
  for (const fault of ['refuse', 'page502', 'redirect'] satisfies Fault[]) {
    stub.fault = fault
    await put(0.5)
    await (await fetch(`${url}/syncs/progress/${digest}`, { headers })).text()
    await run('audiobookshelf', 'test', 'ann')
  }
  stub.fault = undefined
  await run('user', 'admin', 'ann')
  await run('audiobookshelf', 'status')
  await run('audiobookshelf', 'links', 'ann')
  await run('config')
  await run('check')
  await run('doctor')
  await run('backup', 'create')
  const get = await signIn(url)
  const pages = ['/books', '/audiobookshelf', `/audiobookshelf/books/${digest}?q=book`, '/audiobookshelf/settings']
  for (const page of [...pages, '/admin/settings', '/admin/activity']) texts.set(page, await get(page))
  t.match(texts.get('/audiobookshelf/settings'), /ends in …6789/, 'the page is that of an operator')
  await stop()
  texts.set('log', JSON.stringify(log) + errors.text)
  let archives = 0
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'settings.json') continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    const isArchive = entry.name.endsWith('.tar.gz')
    if (isArchive) archives += 1
    texts.set(join(entry.parentPath, entry.name), (isArchive ? gunzipSync(bytes) : bytes).toString('latin1'))
  }
  t.ok(archives > 0, 'a backup was made')
  for (const [where, text] of texts) {
    for (const secret of secrets) t.notOk(text.includes(secret), where)
  }
})
