import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { book, digest } from '../../audiobookshelf/bridged.ts'
import { bridgeRoutes, openBridgedConsole, type BridgedConsole } from '../../audiobookshelf/bridged-console.ts'
import { AbsStub } from '../../audiobookshelf/stub.ts'
import { keyOfPassword } from '../../../src/kosync/credentials.ts'
import { accountOf } from '../../store/by-name.ts'
import { findBarriers, listen, needsBrowserOnce, openWindow, overhang, signIn, startBrowser } from './browser.ts'

/** What strangers call books, and Audiobookshelf its items. */
const hostile = ['<script>alert(1)</script>', `"><img src=x onerror=alert(1)>'`, 'x'.repeat(500)]

/** A phone, a tablet, and a 13-inch window. */
const windows = [
  { width: 360, height: 740 },
  { width: 768, height: 1024 },
  { width: 1280, height: 800 },
]

interface Served extends BridgedConsole {
  origin: string
  stub: AbsStub
}

/** The reader bob, who has read a linked book and some others, the operator root, and an Audiobookshelf. */
async function serve(t: Test): Promise<Served> {
  const stub = await AbsStub.start(t)
  stub.addItem({ ...book, cover: Buffer.from('/9j/4AAQ', 'base64') })
  for (const [at, title] of hostile.entries())
    stub.addItem({ ...book, id: `item-${at}`, title, author: title, ebook: Buffer.from(title) })
  const opened = openBridgedConsole(t, {
    AUDIOBOOKSHELF_BASE_URL: stub.url,
    AUDIOBOOKSHELF_USER_MAP: '{"bob": "key-ann", "root": "key-ann"}',
  })
  const { bridge, store } = await opened.bridged()
  for (const username of ['bob', 'root']) {
    await store.createUser({ username, key: keyOfPassword('secret') })
    await mkdir(join(opened.dir, (await accountOf(opened.store, username)).folder))
  }
  await opened.store.setAdmin(await accountOf(opened.store, 'root'), true)
  const bob = await accountOf(opened.store, 'bob')
  for (const document of ['other', ...hostile, digest]) {
    const position = { progress: '/body/DocFragment[3].0', percentage: 0.4, device: 'kobo', timestamp: 1_800_000_000 }
    await store.putProgress(bob, { document, ...position, metadata: { title: document } })
    await bridge.idle()
  }
  return { ...opened, origin: await listen(opened.app), stub }
}

const other = '/audiobookshelf/books/other'

const pages = [
  '/audiobookshelf',
  other,
  `${other}?q=book`,
  ...hostile.map((text) => `/audiobookshelf/books/${encodeURIComponent(text)}?q=${encodeURIComponent(text)}`),
  '/audiobookshelf/settings',
]

async function look(t: Test, page: Page, path: string, hasScript: boolean): Promise<void> {
  await page.goto(path)
  t.equal(await page.locator('h1').count(), 1, `${path}: has a heading`)
  t.equal(await page.locator('main script, main img[src="x"]').count(), 0, `${path}: names are text`)
  for (const size of windows) {
    await page.setViewportSize(size)
    t.equal(await overhang(page), 0, `${path} at ${size.width} px: nothing is wider than the window`)
  }
  if (!hasScript) return
  t.same(await findBarriers(page), [], `${path}: nothing keeps people out`)
  await page.emulateMedia({ colorScheme: 'dark' })
  t.same(await findBarriers(page, ['color-contrast']), [], `${path}: nor in the dark`)
  await page.emulateMedia({ colorScheme: 'light' })
}

/** Presses a button of the page, after fields were filled by their ids. */
async function press(page: Page, at: string, button: string, fields: Record<string, string> = {}): Promise<string> {
  await page.goto(at)
  for (const [id, value] of Object.entries(fields)) await page.locator(`#${id}`).fill(value)
  await page.getByRole('button', { name: button, exact: true }).first().click()
  await page.waitForLoadState()
  return await page.locator('main').innerText()
}

async function act(t: Test, page: Page): Promise<void> {
  const settings = '/audiobookshelf/settings'
  await signIn(page, 'bob')
  t.match(await press(page, '/audiobookshelf', 'Look now which books are there'), 'kss is looking')
  t.match(await press(page, `${other}?q=A+Book`, 'Link'), 'linked by hand')
  t.match(await press(page, other, 'Do not link this book'), 'not linked')
  await press(page, other, 'Let kss find what it is')
  t.notMatch(await page.locator('main').innerText(), 'linked by hand')
  await signInAs(page, 'root')
  const key = { 'key-user': 'bob', key: 'another-key-0123456789' }
  t.match(await press(page, settings, 'Set the key', key), 'set, ends in …6789')
  t.match(await press(page, settings, 'Take the key away', { 'no-key-user': 'bob' }), /root: set/)
  t.match(await press(page, settings, 'Test', { 'test-user': 'root' }), 'The key is that of ann')
  const timeout = 'AUDIOBOOKSHELF_HTTP_TIMEOUT'
  t.match(await press(page, settings, 'Change: Milliseconds for one request', { [timeout]: '4321' }), '4321')
  t.notMatch(await press(page, settings, 'Reset: Milliseconds for one request'), '4321')
}

async function signInAs(page: Page, username: string): Promise<void> {
  await page.context().clearCookies()
  await signIn(page, username)
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? 'with a script' : 'without a script'
  t.test(`the pages of the bridge are whole, and every form does what it says, ${how}`, needsBrowserOnce, async (t) => {
    const { origin } = await serve(t)
    const browser = await startBrowser(t)
    const { page, context, complaints } = await openWindow(browser, origin, { javaScriptEnabled })
    const asked = new Set<string>()
    context.on('request', (request) => {
      if (request.method() === 'POST') asked.add(new URL(request.url()).pathname)
    })
    await signIn(page, 'bob')
    for (const path of pages) await look(t, page, path, javaScriptEnabled)
    await signInAs(page, 'root')
    await look(t, page, '/audiobookshelf/settings', javaScriptEnabled)
    await page.context().clearCookies()
    await act(t, page)
    const forms = bridgeRoutes.filter(({ method }) => method === 'POST').map(({ url }) => url.replace(':id', 'other'))
    t.same([...asked].filter((path) => path.startsWith('/audiobookshelf')).toSorted(), forms.toSorted())
    t.same(complaints, [], 'the browser does not complain')
  })
}
