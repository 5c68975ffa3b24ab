import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { routes } from '../../../src/console/console.ts'
import { keyOfPassword } from '../../../src/kosync/credentials.ts'
import { openOperatorConsole } from '../operator-console.ts'
import { findBarriers, listen, needsBrowserOnce, openWindow, overhang, signIn, startBrowser } from './browser.ts'

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

/** A phone, a tablet, and a 13-inch window. */
const windows = [
  { width: 360, height: 740 },
  { width: 768, height: 1024 },
  { width: 1280, height: 800 },
]

/** The grey screen of a reader. */
const grey = { width: 600, height: 800 }

const people = ['nobody', 'bob', 'root']

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
  return await listen(app)
}

function pathOf(url: string): string {
  return url.replace(/:\w+/g, (parameter) => {
    const sample = samples[parameter]
    if (sample === undefined) throw new Error(`${url} has a parameter without a sample: add one`)
    return sample
  })
}

/** Opens the page, and looks at it in each window; resolves to what was asked for in the end, or how that was refused. */
async function look(t: Test, page: Page, path: string, sizes: typeof windows, who: string): Promise<string> {
  const response = await page.goto(path)
  const where = `${path} for ${who}`
  const [status, heading] = [response?.status() ?? 500, page.locator('h1')]
  t.ok(status < 500, where)
  t.equal(await heading.count(), 1, `${where}: has a heading`)
  t.equal(await page.locator('main script, main img[src="x"]').count(), 0, `${where}: names are text`)
  for (const size of sizes) {
    await page.setViewportSize(size)
    t.equal(await overhang(page), 0, `${where} at ${size.width} px: nothing is wider than the window`)
  }
  // The first page says where the log-in leads to, and is the same.
  return status < 400 ? page.url().replace(/\?next=.*/, '') : `${status} ${await heading.textContent()}`
}

/** Looks for barriers on the page, in the light and in the dark. */
async function audit(t: Test, page: Page, where: string): Promise<void> {
  t.same(await findBarriers(page), [], `${where}: nothing keeps people out`)
  await page.emulateMedia({ colorScheme: 'dark' })
  t.same(await findBarriers(page, ['color-contrast']), [], `${where}: nor in the dark`)
  await page.emulateMedia({ colorScheme: 'light' })
}

t.test('each page is whole and readable on every screen, for everybody', needsBrowserOnce, async (t) => {
  const origin = await serve(t)
  const browser = await startBrowser(t)
  const paths = routes.filter(({ method }) => method === 'GET').map(({ url }) => pathOf(url))
  const shown = [...paths, ...hostilePages]
  const visit = async (person: string, javaScriptEnabled: boolean): Promise<void> => {
    const { page, context, complaints } = await openWindow(browser, origin, { javaScriptEnabled })
    if (person !== 'nobody') await signIn(page, person)
    // Many pages lead to the same one, or are refused in the same words.
    const audited = new Set<string>()
    for (const path of shown) {
      const found = await look(t, page, path, javaScriptEnabled ? windows : [grey], person)
      // axe is a script, and slow.
      if (javaScriptEnabled && !audited.has(found)) await audit(t, page, `${path} for ${person}`)
      audited.add(found)
    }
    t.same(complaints, [], `${person}: the browser does not complain`)
    await context.close()
  }
  for (const javaScriptEnabled of [true, false]) {
    await Promise.all(people.map((person) => visit(person, javaScriptEnabled)))
  }
})
