import t from 'tap'
import { push } from '../library.ts'
import { openConsole } from '../visitor.ts'
import { listen, needsBrowserOnce, openWindow, signIn, startBrowser } from './browser.ts'

/** A Thursday, an hour after Berlin set its clocks back the Sunday before. */
const now = Date.UTC(2030, 9, 31, 12, 0)

/** Moments in UTC, and how a person in Berlin says them. */
const moments: [string, string][] = [
  ['2030-10-31T11:59:00Z', 'today 12:59'],
  ['2030-10-30T23:05:00Z', 'today 00:05'],
  ['2030-10-30T22:59:00Z', 'yesterday 23:59'],
  ['2030-10-29T20:14:00Z', 'Tuesday 21:14'],
  ['2030-10-24T22:30:00Z', 'Friday 00:30'],
  ['2030-10-24T21:59:00Z', '24 October, 23:59'],
  ['2029-12-31T23:30:00Z', '1 January, 00:30'],
  ['2029-12-31T22:30:00Z', '31 December 2029, 23:30'],
  ['2030-11-01T00:00:00Z', '1 November, 01:00'],
]

t.test('times are told as a person says them, in the zone of the browser', needsBrowserOnce, async (t) => {
  const { app, reader, store } = openConsole(t, { now: () => now })
  await reader()
  for (const [at, [moment]] of moments.entries()) {
    await push(store, 'ann', { document: `b${at}`, timestamp: Date.parse(moment) / 1000 })
  }
  const origin = await listen(app)
  const browser = await startBrowser(t)
  for (const javaScriptEnabled of [true, false]) {
    const { page } = await openWindow(browser, origin, { javaScriptEnabled, timezoneId: 'Europe/Berlin' })
    await page.clock.setFixedTime(now)
    await signIn(page, 'ann')
    for (const [at, [moment, said]] of moments.entries()) {
      const utc = new Date(moment).toUTCString().replace(':00 GMT', ' UTC')
      const shown = await page.locator(`tr:has(a[href="/books/b${at}"]) time`).textContent()
      t.equal(shown, javaScriptEnabled ? said : utc)
    }
  }
})
