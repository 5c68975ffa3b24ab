import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { findBarriers, needsBrowser, openWindow, overhang, startBrowser } from './browser.ts'

const bad = `<!doctype html><title>Bad</title><body style="color:red"><img src="http://127.0.0.1:1/x">
<pre>${'x'.repeat(1000)}</pre><script>throw new Error('broken')</script>`

t.test(
  'a browser tells what is wrong with a page: no check of the console passes because it sees nothing',
  needsBrowser,
  async (t) => {
    const server = createServer((_request, response) => {
      response.setHeader('content-security-policy', "default-src 'none'; script-src 'unsafe-inline'")
      response.setHeader('content-type', 'text/html').end(bad)
    }).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { page, complaints } = await openWindow(await startBrowser(t), origin)
    await page.goto('/')
    for (const expected of [
      /inline style violates/,
      /image .* violates/,
      /^broken$/,
      /^asked http:\/\/127.0.0.1:1\/x/,
    ]) {
      t.ok(
        complaints.some((complaint) => expected.test(complaint)),
        String(expected),
      )
    }
    const barriers = await findBarriers(page)
    for (const id of ['html-has-lang', 'image-alt'])
      t.ok(
        barriers.some((barrier) => barrier.startsWith(`${id}:`)),
        id,
      )
    t.ok((await overhang(page)) > 0)
  },
)
