// npm run screenshots: the pictures in docs/images/ of the web console, with made-up readers. Needs a Chromium in the PATH.
import { execSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const root = join(import.meta.dirname, '..')
const images = join(root, 'docs', 'images')
const dir = mkdtempSync(join(tmpdir(), 'kss-screenshots-'))
const md5 = (text) => createHash('md5').update(text).digest('hex')
const now = Math.floor(Date.now() / 1000)
const day = 86_400

makeReaders()
const { server, origin } = await startServer()
const browser = await chromium.launch({
  executablePath: execSync('command -v chromium chromium-browser google-chrome | head -n 1', {
    encoding: 'utf8',
  }).trim(),
  args: ['--no-sandbox'],
})
try {
  mkdirSync(images, { recursive: true })
  // The grey screen of a reader, and a window.
  await shoot('sign-in', '/', undefined, { width: 600, height: 800 })
  await shoot('books', '/books', 'alice', { width: 1000, height: 800 })
  await shoot('book', `/books/${md5('Dune')}`, 'alice', { width: 1000, height: 800 })
  await shoot('devices', '/devices', 'alice', { width: 1000, height: 700 })
  await shoot('help', '/help', 'alice', { width: 600, height: 800 })
  await shoot('admin', '/admin', 'operator', { width: 1000, height: 800 })
} finally {
  await browser.close()
  server.kill()
  await once(server, 'exit')
  rmSync(dir, { recursive: true, force: true })
}

/** As Python kss would leave them: kss serves such a folder as it is. */
function makeReaders() {
  const books = [
    ['Dune', 'Frank Herbert', 0.43, 0],
    ['The Left Hand of Darkness', 'Ursula K. Le Guin', 0.99, 9],
    ['A Wizard of Earthsea', 'Ursula K. Le Guin', 0.12, 2],
    ['Middlemarch', 'George Eliot', 0.71, 21],
  ]
  for (const [username, admin] of [['alice'], ['bob'], ['operator', true]]) {
    const folder = join(dir, username)
    mkdirSync(join(folder, 'history'), { recursive: true, mode: 0o700 })
    write(join(folder, 'auth.json'), { 'x-auth-user': username, 'x-auth-key': md5('secret'), ...(admin && { admin }) })
    for (const [title, authors, end, ago] of username === 'operator' ? [] : books)
      makeBook(folder, { title, authors, end, ago })
  }
}

function makeBook(folder, { title, authors, end, ago }) {
  const document = md5(title)
  const metadata = { title, authors, filename: `${title}.epub` }
  const readers = [
    { device: 'Kobo Libra 2', device_id: '93AE5EAF' },
    { device: 'Pixel 8', device_id: '5D41402A' },
  ]
  const rows = Array.from({ length: 24 }, (_row, at) => {
    const percentage = Math.round(((end * (at + 1)) / 24) * 10_000) / 10_000
    const timestamp = now - ago * day - Math.round((23 - at) * 0.6 * day) - ((at * 7919) % 7200)
    return {
      document,
      progress: `/body/DocFragment[${at + 2}].0`,
      percentage,
      ...readers[at % 5 === 3 ? 1 : 0],
      timestamp,
    }
  })
  write(join(folder, `${document}.json`), { ...rows.at(-1), metadata })
  writeFileSync(join(folder, 'history', `${document}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

function write(path, content) {
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 })
}

async function startServer() {
  const args = [
    join(root, 'bin', 'kss.cjs'),
    'serve',
    '--port',
    '0',
    '--host',
    '127.0.0.1',
    '--dir',
    dir,
    '--log-format',
    'json',
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface(child.stdout)) {
    const { msg, addresses } = JSON.parse(line)
    if (msg === 'listening') return { server: child.on('error', () => undefined), origin: addresses[0] }
  }
  throw new Error('kss did not start')
}

async function shoot(name, path, username, viewport) {
  const context = await browser.newContext({ baseURL: origin, viewport, locale: 'en-GB', timezoneId: 'Europe/Berlin' })
  const page = await context.newPage()
  if (username) {
    await page.goto('/')
    await page.fill('#username', username)
    await page.fill('#password', 'secret')
    await page.click('main form button')
    await page.waitForURL('**/books')
  }
  await page.goto(path)
  await page.screenshot({ path: join(images, `${name}.png`) })
  await context.close()
}
