import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import t, { type Test } from 'tap'
import { keyOfPassword } from '../../../src/kosync/credentials.ts'
import { command } from '../../launcher.ts'
import { needsBrowser, openWindow, startBrowser } from './browser.ts'

interface Started {
  origin: string
  code: string
}

/** A new server, as a person starts it; resolves to its address, and to the code that it prints for the first operator. */
async function start(t: Test): Promise<Started> {
  const [program = '', ...first] = command
  const args = [...first, 'serve', '--host', '127.0.0.1', '--port', '0', '--dir', t.testdir({}), '--log-format', 'json']
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(async () => {
    const exit = once(child, 'exit')
    child.kill()
    await exit
  })
  const [out, errors] = [createInterface(child.stdout), createInterface(child.stderr)]
  const listening = find(out, /"addresses":\["([^"]+)"\].*"listening"/)
  const [origin, code] = await Promise.all([listening, find(errors, /type the code (\S+)/)])
  return { origin, code }
}

async function find(lines: Interface, pattern: RegExp): Promise<string> {
  for await (const line of lines) {
    const [, found] = pattern.exec(line) ?? []
    if (found !== undefined) return found
  }
  throw new Error(`No line has ${pattern}`)
}

async function sync(origin: string, method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const headers = {
    'x-auth-user': 'ann',
    'x-auth-key': keyOfPassword('a long secret'),
    'content-type': 'application/json',
  }
  const response = await fetch(origin + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  return (await response.json()) as Record<string, unknown>
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? 'with a script' : 'without a script'
  t.test(`from the first start to a sync that is taken back, ${how}`, needsBrowser, async (t) => {
    const { origin, code } = await start(t)
    const browser = await startBrowser(t)
    const { page, complaints } = await openWindow(browser, origin, { javaScriptEnabled })

    await page.goto('/setup')
    await page.fill('#new-code', code)
    await page.fill('#new-username', 'ann')
    await page.fill('[name=new-password]', 'a long secret')
    await page.fill('[name=new-password-again]', 'a long secret')
    await page.click('form:has(#new-code) button')
    await page.waitForURL('**/admin?*')
    t.equal(await page.getByRole('link', { name: 'connect your reader' }).count(), 1)
    t.match(await page.textContent('nav'), 'Operator')

    for (const [device, percentage] of [
      ['Kobo', 0.43],
      ['Phone', 0.02],
    ] as const) {
      await sync(origin, 'PUT', '/syncs/progress', {
        document: 'dune',
        progress: `at ${percentage}`,
        percentage,
        device,
      })
    }
    await page.click('nav >> text=Books')
    await page.click('main >> text=dune')
    await page.click('text=Go back to 43 %')
    t.match(await page.textContent('main'), /43 %/)
    t.match(await sync(origin, 'GET', '/syncs/progress/dune'), { progress: 'at 0.43', percentage: 0.43, device: 'kss' })

    await page.click('nav >> text=Sign out')
    await page.goto('/books')
    t.match(page.url(), `${origin}/?next=`, 'signed out')
    t.same(complaints, [])
  })
}
