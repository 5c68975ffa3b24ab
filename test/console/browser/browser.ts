import { accessSync, constants } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import type { FastifyInstance } from 'fastify'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { testedBefore } from '../../tested-before.ts'

/** The system's Chromium; undefined when there is none. */
const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name)))
  .find(isExecutable)

/** For `t.test`: skips, and says why, on a machine without a browser. */
export const needsBrowser = executablePath === undefined ? { skip: 'chromium is not on this machine' } : {}

/** The same, and skips where a browser has been through a server of another Node. */
export const needsBrowserOnce = testedBefore === false ? needsBrowser : { skip: testedBefore }

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Lets browsers ask the server; resolves to its address. */
export async function listen(app: FastifyInstance): Promise<string> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** Closed with the test. */
export async function startBrowser(t: Test): Promise<Browser> {
  // No sandbox: CI is root in a container, and the pages are our own.
  const browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  return browser
}

/** A browser window of its own, with cookies of its own, and what it complained of. */
export interface Window {
  page: Page
  context: BrowserContext
  /** What the browser reported: errors of scripts, the content security policy, requests to other origins. */
  complaints: string[]
}

/** Opens a window on the server; `origin` is the only one that it may ask. */
export async function openWindow(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<Window> {
  const context = await browser.newContext({ baseURL: origin, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    // The pages themselves write nothing there. A page that is refused is an answer, and no complaint.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    const { protocol, origin: asked } = new URL(request.url())
    if (protocol !== 'data:' && asked !== origin) complaints.push(`asked ${request.url()}`)
  })
  return { page, context, complaints }
}

/** Signs in on the first page; resolves when the page `next` is there. */
export async function signIn(page: Page, username: string, password = 'secret', next = '/books'): Promise<void> {
  await page.goto(`/?next=${next}`)
  await page.getByLabel('Name').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`**${next}`)
}

/** What axe-core finds on the page, a line each; of these rules alone, if any are given. */
export async function findBarriers(page: Page, rules: string[] = []): Promise<string[]> {
  const builder = new AxeBuilder({ page })
  const { violations } = await (rules.length > 0 ? builder.withRules(rules) : builder).analyze()
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`))
}

/** How many pixels of the page are right of the window: 0 when nothing is cut off. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}
