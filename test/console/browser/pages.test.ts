import type { AddressInfo } from 'node:net'
import type { BrowserContextOptions } from 'playwright-core'
import t, { type Test } from 'tap'
import { routes } from '../../../src/console/console.ts'
import { keyOfPassword } from '../../../src/kosync/credentials.ts'
import { openOperatorConsole } from '../operator-console.ts'
import { findBarriers, needsBrowser, openWindow, overhang, startBrowser } from './browser.ts'

/** What strangers call books, readers and themselves: text everywhere, and nothing else. */
const hostile = [
  '<script>alert(1)</script>',
  `"><img src=x onerror=alert(1)>'`,
  '\u202Eright to left\u200B\u2066',
  'x'.repeat(1000),
  '\u001B[31mred',
]

/** For the parameters of paths. */
const samples: Record<string, string> = { ':id': 'dune', ':format': 'none' }

/** Accounts with such names. */
const strangers = hostile.slice(0, 3)

/** Pages of what hostile names belong to. */
const hostilePages = [
  ...hostile.map((document) => `/books/${encodeURIComponent(document)}`),
  ...strangers.map((username) => `/admin/user?name=${encodeURIComponent(username)}`),
]

/** A 13-inch window, a tablet, a phone, and the grey screen of a reader. */
const screens: [string, BrowserContextOptions][] = [
  ['1280 px', { viewport: { width: 1280, height: 800 } }],
  ['768 px', { viewport: { width: 768, height: 1024 }, colorScheme: 'dark' }],
  ['360 px', { viewport: { width: 360, height: 740 } }],
  ['600 × 800, no script', { viewport: { width: 600, height: 800 }, javaScriptEnabled: false }],
]

const audited = new Set(['360 px', '768 px'])

const people = ['nobody', 'bob', 'root'] as const

/** Serves the reader bob with some books and the operator root, with hostile names among them; resolves to the address. */
async function serve(t: Test): Promise<string> {
  const { app, files } = await openOperatorConsole(t)
  const key = keyOfPassword('secret')
  for (const username of strangers) await files.createUser({ username, key })
  const { account } = (await files.getUser('bob'))!
  for (const [at, text] of ['dune', ...hostile].entries()) {
    for (const percentage of [0.1, 0.4, 0.2]) {
      const pushed = { document: text, progress: '56', percentage, device: text, device_id: `id ${at}` }
      const metadata = { title: text, authors: text, filename: `${text}.epub` }
      await files.putProgress(account, { ...pushed, timestamp: 1_800_000_000, metadata })
    }
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

function pathOf(url: string): string {
  return url.replace(/:\w+/g, (parameter) => {
    const sample = samples[parameter]
    if (sample === undefined) throw new Error(`${url} has a parameter without a sample: add one`)
    return sample
  })
}

t.test('each page is whole and readable on every screen, for everybody', needsBrowser, async (t) => {
  const origin = await serve(t)
  const browser = await startBrowser(t)
  const paths = routes.filter(({ method }) => method === 'GET').map(({ url }) => pathOf(url))
  const shown = [...paths, ...hostilePages]
  for (const [screen, options] of screens) {
    for (const person of people) {
      const { page, context, complaints } = await openWindow(browser, origin, options)
      if (person !== 'nobody') {
        await page.goto('/')
        await page.fill('#username', person)
        await page.fill('#password', 'secret')
        await page.click('main form button')
        await page.waitForURL('**/books')
      }
      for (const path of shown) {
        const where = `${path} for ${person} at ${screen}`
        const response = await page.goto(path)
        t.ok((response?.status() ?? 500) < 500, where)
        t.equal(await page.locator('h1').count(), 1, `${where}: has a heading`)
        t.equal(await overhang(page), 0, `${where}: nothing is wider than the window`)
        // axe is a script, and slow: once in the light and once in the dark.
        if (audited.has(screen)) t.same(await findBarriers(page), [], `${where}: nothing keeps people out`)
        t.equal(await page.locator('main script, main img[src="x"]').count(), 0, `${where}: names are text`)
      }
      t.same(complaints, [], `${person} at ${screen}: the browser does not complain`)
      await context.close()
    }
  }
})
