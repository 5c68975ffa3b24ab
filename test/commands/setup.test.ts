import t from 'tap'
import { offerSetup } from '../../src/commands/setup.ts'
import { until } from '../until.ts'
import { serve } from './kss.ts'
import { run } from './run.ts'
import { folder, stateFolder } from './state-fixture.ts'

const addresses = ['http://192.168.1.5:8080', 'http://10.0.0.2:8080/kosync']

t.test('without an operator a person reads where to type which code', async (t) => {
  let text = ''
  const write = (written: string): unknown => (text += written)
  const setupCode = await offerSetup({ admin: { hasOperator: async () => false }, addresses, write, now: () => 0 })
  const [, code = ''] = /^and type the code (\S+)$/m.exec(text) ?? []
  t.match(text, "No account is an operator's.")
  for (const address of addresses) t.match(text, `  ${address}/setup\n`)
  t.equal(setupCode?.matches(code), true)
})

t.test('with an operator nothing is printed', async (t) => {
  const write = (): void => void t.fail()
  const admin = { hasOperator: async () => true }
  t.equal(await offerSetup({ admin, addresses, write, now: () => 0 }), undefined)
})

t.test('kss serve prints the code on standard error and not in the log; it makes an operator, once', async (t) => {
  const dir = await stateFolder(t)
  const { url, log, errors, stop } = await serve(t, dir)
  await until(() => errors.text.includes('type the code'))
  t.match(errors.text, `  ${url}/setup\n`)
  const [, code = ''] = /code (\S+)\n/.exec(errors.text) ?? []
  const cookies = new Map<string, string>()
  const ask = async (path: string, form?: Record<string, string>): Promise<Response> => {
    const headers = { accept: 'text/html', cookie: [...cookies.values()].join('; '), origin: url }
    const body = form && { method: 'POST', body: new URLSearchParams(form) }
    const response = await fetch(url + path, { headers, redirect: 'manual', ...body })
    for (const cookie of response.headers.getSetCookie()) cookies.set(cookie.split('=')[0]!, cookie.split(';')[0]!)
    return response
  }
  const token = /name="token" value="([^"]+)"/.exec(await (await ask('/setup')).text())?.[1] ?? ''
  const typed = { token, code, account: 'new', username: 'root', 'new-password': 'x', 'new-password-again': 'x' }
  t.equal((await ask('/setup', typed)).status, 303)
  t.match(await (await ask('/books')).text(), 'href="/admin"')
  t.equal((await ask('/setup', { ...typed, username: 'other' })).status, 403)
  for (const secret of [code, code.replaceAll('-', '')]) t.notMatch(JSON.stringify(log), secret)
  t.equal(await stop(), 0)

  const again = await serve(t, dir)
  const response = await fetch(`${again.url}/books`, { headers: { cookie: [...cookies.values()].join('; ') } })
  t.match(await response.text(), 'href="/admin"', 'the session is there after a restart')
  t.equal(await again.stop(), 0)
  t.equal(again.errors.text, '')
  t.match(await run(dir, 'check'), { code: 0 })
})

t.test('without the console no code is printed, and a browser gets the sentence', async (t) => {
  const { url, errors, stop } = await serve(t, await folder(t), [], { KSS_CONSOLE: 'false' })
  const response = await fetch(url, { headers: { accept: 'text/html' } })
  t.match(await response.text(), /^This is kss, a sync server for KOReader/)
  t.equal((await fetch(`${url}/setup`)).status, 404)
  t.equal(await stop(), 0)
  t.equal(errors.text, '')
})
