import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { routes } from '../../../src/console/console.ts'
import { filenameMd5 } from '../../../src/document-id.ts'
import { accountOf } from '../../store/by-name.ts'
import { pushed } from '../../store/contract.ts'
import { openOperatorConsole, type OperatorConsole } from '../operator-console.ts'
import { listen, needsBrowserOnce, openWindow, signIn, startBrowser } from './browser.ts'

/** What a person does on a page: opens it, follows links, fills fields, presses a button; and what the next page says. */
interface Step {
  at: string
  follow?: string
  /** By their labels. */
  fields?: Record<string, string>
  press: string | RegExp
  says: string | RegExp
}

const twin = filenameMd5('emma.epub')
const passwords = { 'New password': 'another secret', 'The same again': 'another secret' }

/** What the reader bob does, in this order. */
const readerSteps: Step[] = [
  { at: '/books/dune', press: /^Go back to 41 %/, says: 'The book is back at 41 %.' },
  { at: '/books/dune', press: /^Undo: go to 2 %/, says: 'The book is back at 2 %.' },
  { at: '/books/dune', fields: { 'Title in these pages': 'Der Wüstenplanet' }, press: 'Save the title', says: 'saved' },
  { at: '/books', follow: 'Der Wüstenplanet', press: 'Save the title', says: 'The title is saved.' },
  { at: `/books/${twin}`, follow: 'join the two', press: 'By content (Binary)', says: 'The two are one book now.' },
  {
    at: '/books/dune',
    follow: 'Remove this book and its changes',
    press: 'Remove it for good',
    says: 'The book is removed.',
  },
]

const user = '/admin/user?name=eve'

/** What the operator root does, in this order. */
const operatorSteps: Step[] = [
  {
    at: '/admin/registration',
    fields: { 'Open it': 'for a day' },
    press: 'Open',
    says: /Registration is open: .*, until /,
  },
  { at: '/admin/registration', press: 'Close', says: 'Registration is closed.' },
  { at: '/admin/registration', press: 'As the settings say', says: 'That is what the settings say.' },
  { at: '/admin/registration', fields: { Name: 'dora' }, press: 'Invite', says: /dora\. To hand on: Open http:/ },
  { at: '/admin/registration', press: 'Cancel', says: /^(?!.*dora)/s },
  { at: '/admin/users/add', fields: { Name: 'eve' }, press: 'Add', says: 'Hand it on now' },
  { at: user, press: 'Disable', says: 'The account is disabled' },
  { at: user, press: 'Enable', says: 'The account is enabled' },
  { at: user, press: 'Make an operator', says: 'The account is an operator.' },
  { at: user, press: 'No operator any more', says: 'The account is no operator any more.' },
  { at: user, fields: { Password: 'a secret' }, press: 'Set the password', says: 'The account has another password.' },
  { at: user, fields: { Books: '5' }, press: 'Set the limits', says: 'The limits are changed.' },
  { at: user, fields: { 'New name': 'eva' }, press: 'Rename', says: 'The account has another name.' },
  { at: '/admin/user?name=eva', fields: { 'The name, eva': 'eva' }, press: 'Remove', says: /^(?!.*\beva\b)/s },
  { at: '/admin/registration', press: 'Let it return', says: /^(?!.*\beve\b)/s },
  { at: '/admin/backups', press: 'Make a backup', says: /holds 3 accounts and 1 book\./ },
  { at: '/admin/check', press: 'Check now', says: 'All is well.' },
]

/** Two positions of Dune, and Emma by content and by file name. */
async function fill({ files }: OperatorConsole): Promise<void> {
  const account = await accountOf(files, 'bob')
  const emma = { title: 'Emma', filename: 'emma.epub' }
  for (const push of [
    { document: 'dune', percentage: 0.41, device: 'Kobo' },
    { document: 'dune', percentage: 0.02, device: 'Phone' },
    { document: 'c'.repeat(32), metadata: emma, device: 'Kobo' },
    { document: twin, metadata: emma, device: 'Kindle' },
  ]) {
    await files.putProgress(account, {
      ...pushed,
      progress: `at ${push.percentage}`,
      timestamp: 1_800_000_000,
      ...push,
    })
  }
}

async function take(t: Test, page: Page, { at, follow, fields = {}, press, says }: Step): Promise<void> {
  await page.goto(at)
  if (follow !== undefined) await page.getByRole('link', { name: follow, exact: true }).first().click()
  for (const [label, value] of Object.entries(fields)) {
    const field = page.getByLabel(label, { exact: true })
    if ((await field.and(page.locator('select')).count()) > 0) await field.selectOption(value)
    else await field.fill(value)
  }
  await page.getByRole('button', { name: press, exact: true }).first().click()
  // A page of work under way looks again by itself.
  const said = page.locator('main').filter({ hasText: says })
  await said.waitFor({ timeout: 60_000 }).catch(() => undefined)
  t.equal(await said.count(), 1, `${at}: ${press} is answered by ${says}: ${await page.locator('main').innerText()}`)
}

/** The file that a browser saves when the link or button is pressed. */
async function download(page: Page, role: 'link' | 'button', name: string): Promise<{ name: string; file: Buffer }> {
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole(role, { name }).click()])
  return { name: saved.suggestedFilename(), file: await readFile(await saved.path()) }
}

/** The URLs of the forms that nobody sent. */
function untried(asked: Set<string>): string[] {
  const forms = routes.filter(({ method }) => method === 'POST').map(({ url }) => url)
  return forms.filter((url) => {
    const pattern = new RegExp(`^${url.replace(/:\w+/g, '[^/]+')}$`)
    return ![...asked].some((path) => pattern.test(path))
  })
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? 'with a script' : 'without a script'
  t.test(`every form does what it says, ${how}`, needsBrowserOnce, async (t) => {
    const opened = await openOperatorConsole(t)
    await fill(opened)
    const { app, files, clock } = opened
    const origin = await listen(app)
    const browser = await startBrowser(t)
    const { page, context, complaints } = await openWindow(browser, origin, { javaScriptEnabled })
    const asked = new Set<string>()
    context.on('request', (request) => {
      if (request.method() === 'POST') asked.add(new URL(request.url()).pathname)
    })

    await signIn(page, 'bob')
    for (const step of readerSteps) await take(t, page, step)

    await page.goto('/account')
    const archive = await download(page, 'link', 'All positions and their history')
    t.equal(archive.name, 'kss-bob.tar.gz')
    t.match(gunzipSync(archive.file).toString('latin1'), 'ustar')
    const table = await download(page, 'link', 'The same as a table')
    t.equal(table.name, 'kss-bob.csv')
    t.match(table.file.toString(), 'c'.repeat(32))

    await take(t, page, {
      at: '/account',
      fields: passwords,
      press: 'Change the password',
      says: 'Your password is changed.',
    })
    await signIn(page, 'bob', 'another secret')
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await signIn(page, 'bob', 'another secret')
    const other = await openWindow(browser, origin, { javaScriptEnabled })
    await signIn(other.page, 'bob', 'another secret')
    await take(t, page, { at: '/account', press: 'Sign out everywhere', says: 'You are signed out everywhere.' })
    await other.page.goto('/books')
    t.match(other.page.url(), '/?next=')

    await signIn(page, 'bob', 'another secret')
    clock.now += 16 * 60_000
    await take(t, page, {
      at: '/account',
      fields: { Name: 'bob' },
      press: 'Delete the account',
      says: 'Nothing was done yet.',
    })
    t.ok(await files.getUser('bob'))
    await page.getByLabel('Your password').fill('another secret')
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('Your account is deleted.').waitFor()
    t.notOk(await files.getUser('bob'))
    await take(t, page, {
      at: '/sign-up',
      fields: { Name: 'bob', Password: 'third secret', 'The same again': 'third secret' },
      press: 'Sign up',
      says: 'No books yet.',
    })

    await signInAs(page, 'root')
    for (const step of operatorSteps) await take(t, page, step)
    await page.goto('/admin/backups')
    const backup = await download(page, 'button', 'Download')
    t.match(backup.name, /\.tar\.gz$/)
    t.match(gunzipSync(backup.file).toString('latin1'), 'alice')

    t.same(untried(asked), ['/setup'], 'each form but the one of a server without an operator')
    t.same(complaints, [])
  })
}

/** In a browser that somebody else is signed in with. */
async function signInAs(page: Page, username: string): Promise<void> {
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await signIn(page, username)
}
