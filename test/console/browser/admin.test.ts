import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { adminRoutes } from '../../../src/console/admin-routes.ts'
import { until } from '../../until.ts'
import { openOperatorConsole } from '../operator-console.ts'
import { findBarriers, needsBrowser, openWindow, overhang, startBrowser } from './browser.ts'

t.test('the pages of the operator fit, and have no barriers', needsBrowser, async (t) => {
  const { app, activity, tasks, files, dir, minutes } = await openOperatorConsole(t)
  const long = 'W'.repeat(255)
  await files.createUser({ username: long, key: 'K' })
  await files.admin.setInvited(long, true)
  await files.deleteUser((await files.getUser('alice'))!.account)
  await writeFile(join(dir, `${'x'.repeat(200)}.txt`), '')
  for (const task of [tasks.check, tasks.backup]) task.start()
  await until(() => [tasks.check, tasks.backup].every((task) => task.state().is === 'done'))
  for (const status of [200, 200, 404]) {
    const path = `/${'y'.repeat(180)}`
    activity.addRequest({ id: '1', method: 'GET', path, status, ms: 1, user: long, ip: '::1' }, false)
    minutes.passed += 1
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const browser = await startBrowser(t)
  for (const width of [360, 768, 1280]) {
    const { page, complaints } = await openWindow(browser, origin, { viewport: { width, height: 800 } })
    await page.goto('/')
    await page.fill('#username', 'root')
    await page.fill('#password', 'secret')
    await page.click('main button')
    await page.waitForURL('**/books')
    const pages = adminRoutes.filter(({ method }) => method === 'GET').map(({ url }) => url)
    for (const url of [...pages, `/admin/user?name=${long}`]) {
      await page.goto(url)
      t.same(await findBarriers(page), [], `${url} at ${width}`)
      t.equal(await overhang(page), 0, `${url} at ${width}`)
    }
    t.same(complaints, [])
  }
})
