import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { push } from '../library.ts'
import { openConsole } from '../visitor.ts'
import { listen, needsBrowserOnce, openWindow, startBrowser } from './browser.ts'

/** More than a page of the test has of what takes the focus. */
const mostTabs = 60

/** What the focus is on: its text or its name, and whether it is seen. */
const focused = `(() => {
  const { activeElement: it } = document
  const { outlineStyle, outlineWidth } = getComputedStyle(it)
  return { text: it.textContent.trim() || it.name || '', isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) > 0 }
})()`

/** Presses Tab until the focus is there. */
async function tabTo(t: Test, page: Page, wanted: RegExp): Promise<void> {
  for (let tabs = 0; tabs < mostTabs; tabs += 1) {
    await page.keyboard.press('Tab')
    const { text, isSeen } = (await page.evaluate(focused)) as { text: string; isSeen: boolean }
    t.ok(isSeen, `the focus is seen on ${text}`)
    if (wanted.test(text)) return
  }
  throw new Error(`No Tab leads to ${wanted}`)
}

t.test('Tab and Enter are enough, from the log-in to a sync that is taken back', needsBrowserOnce, async (t) => {
  const { app, store, reader } = openConsole(t, { now: Date.now })
  await reader()
  const timestamp = Math.floor(Date.now() / 1000) - 3600
  await push(
    store,
    'ann',
    { document: 'dune', progress: 'there', percentage: 0.43, device: 'Kobo', timestamp },
    { document: 'dune', progress: 'here', percentage: 0.02, device: 'Phone', timestamp: timestamp + 60 },
  )
  const { page, complaints } = await openWindow(await startBrowser(t), await listen(app))
  await page.goto('/')
  await tabTo(t, page, /^username$/)
  await page.keyboard.type('ann')
  await tabTo(t, page, /^password$/)
  await page.keyboard.type('secret')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/books')
  await tabTo(t, page, /^dune$/)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/books/dune')
  await tabTo(t, page, /^Go back to 43 %/)
  await page.keyboard.press('Enter')
  await page.getByText('The book is back at 43 %.').waitFor()
  t.match(await store.getProgress((await store.getUser('ann'))!.account, 'dune'), { progress: 'there', device: 'kss' })
  t.same(complaints, [])
})
