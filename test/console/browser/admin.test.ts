import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { adminRoutes } from '../../../src/console/admin-routes.ts'
import { until } from '../../until.ts'
import { openOperatorConsole } from '../operator-console.ts'
import { findBarriers, listen, needsBrowserOnce, openWindow, overhang, signIn, startBrowser } from './browser.ts'

t.test('the pages of the operator fit, and have no barriers', needsBrowserOnce, async (t) => {
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
  const { page, complaints } = await openWindow(await startBrowser(t), await listen(app))
  await signIn(page, 'root')
  const pages = adminRoutes.filter(({ method }) => method === 'GET').map(({ url }) => url)
  for (const url of [...pages, `/admin/user?name=${long}`]) {
    await page.goto(url)
    for (const width of [360, 768, 1280]) {
      await page.setViewportSize({ width, height: 800 })
      t.equal(await overhang(page), 0, `${url} at ${width}`)
    }
    t.same(await findBarriers(page), [], url)
  }
  t.same(complaints, [])
})
