import t from 'tap'
import { position, Reader } from '../../helper.ts'
import { openConsole } from '../visitor.ts'
import { findBarriers, listen, needsBrowserOnce, openWindow, overhang, signIn, startBrowser } from './browser.ts'

const hostile = `<script>alert(1)</script>"'\u202e${'x'.repeat(1000)}`

t.test('the help page can be read in every window, and keeps to itself', needsBrowserOnce, async (t) => {
  const { app } = openConsole(t, { now: Date.now })
  const origin = await listen(app)
  const ann = new Reader(app)
  await ann.register()
  await ann.update({ ...position, device: hostile, metadata: { title: hostile } })
  await ann.update({ ...position, document: 'other', metadata: { title: hostile } })
  await ann.update({ ...position, device: undefined })
  await new Reader(app, 'ann', 'wrong').authorize()
  const browser = await startBrowser(t)
  for (const [width, height, javaScriptEnabled] of [
    [360, 740, true],
    [768, 1024, true],
    [1280, 800, true],
    [600, 800, false],
  ] as const) {
    const { page, context, complaints } = await openWindow(browser, origin, {
      viewport: { width, height },
      javaScriptEnabled,
    })
    await signIn(page, 'ann', 'secret', '/help')
    t.equal(await page.getByRole('heading', { level: 1 }).textContent(), 'Help')
    t.match(await page.content(), `<code>${origin}</code>`)
    t.equal(await page.getByText('A log-in had a wrong password.').count(), 1)
    if (javaScriptEnabled) t.same(await findBarriers(page), [], `${width} pixels`)
    t.equal(await overhang(page), 0, `${width} pixels`)
    t.same(complaints, [], `${width} pixels`)
    await context.close()
  }
})
