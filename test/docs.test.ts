import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { exitCodes } from '../src/command-error.ts'
import { settings } from '../src/config.ts'
import { errorTable } from '../src/kosync/protocol.ts'
import { brokenLinks } from './links.ts'
import { launcher } from './launcher.ts'

const root = new URL('../', import.meta.url)

/** The cells of the page's rows of which the first cell matches. */
async function rowsOf(page: string, firstCell: RegExp): Promise<string[][]> {
  const text = await readFile(new URL(page, root), 'utf8')
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter(([first = '']) => firstCell.test(first))
}

/** `kss serve --help`: the flags as written there, and the variable that each one names. */
async function readHelp(): Promise<Map<string, string | undefined>> {
  const { stdout } = await promisify(execFile)(execPath, [launcher, 'serve', '--help'])
  const options = stdout.slice(stdout.indexOf('Options:'), stdout.indexOf('-h, --help'))
  const found = [...options.matchAll(/^ {2}(--[\w-]+(?: <\w+>)?) {2,}((?:.|\n(?! {2}-))*)/gm)]
  return new Map(found.map(([, flag = '', text = '']) => [flag, /\((KSS_\w+)/.exec(text)?.[1]]))
}

test('docs/configuration.md has every setting and no other, with its default', async (t) => {
  const documented = (await rowsOf('docs/configuration.md', /^`KSS_/)).map(([name, , value]) => [name, value])
  const expected = Object.entries(settings.properties).map(([name, schema]) => {
    const value = 'default' in schema ? schema.default : undefined
    return [`\`${name}\``, value === undefined ? 'see below' : value === '' ? 'none' : `\`${value}\``]
  })
  t.same(documented, expected)
})

test('docs/configuration.md has every flag of kss serve and no other, beside its variable', async (t) => {
  const help = await readHelp()
  t.equal(help.get('--port <port>'), 'KSS_PORT')
  const rows = await rowsOf('docs/configuration.md', /^`KSS_/)
  const documented = rows
    .filter(([, flag]) => flag !== '—')
    .map(([name = '', flag = '']) => [flag.slice(1, -1), name.slice(1, -1)])
  t.same(new Map(documented as [string, string][]), new Map([...help].filter(([, variable]) => variable !== undefined)))
  const page = await readFile(new URL('docs/configuration.md', root), 'utf8')
  for (const [flag, variable] of help) t.ok(variable ?? page.includes(`\`${flag}\``), `${flag} is documented`)
})

test('docs/configuration.md has every exit code and no other', async (t) => {
  const codes = (await rowsOf('docs/configuration.md', /^\d+$/)).map(([code]) => Number(code))
  t.same(codes, [0, ...Object.values(exitCodes)])
})

test('docs/api.md has every error and no other', async (t) => {
  const documented = (await rowsOf('docs/api.md', /^\d+$/)).map(([code, status, message]) => [code, status, message])
  const expected = Object.values(errorTable).map(({ code, status, message }) => [`${code}`, `${status}`, message])
  t.same(documented.map(String).toSorted(), expected.map(String).toSorted())
})

test('every link of the docs leads to a file, and to a heading of it', async (t) => {
  t.same(await brokenLinks(fileURLToPath(root)), [])
})

test('README.md has fewer than 700 words, and begins with what kss is', async (t) => {
  const text = await readFile(new URL('README.md', root), 'utf8')
  t.match(text, /^# kss\n\nA sync server for /)
  const words = text.split(/\s+/).length
  t.ok(words < 700, `${words} words`)
})

test('no page installs kss from npm, where it is not yet, but a package of this version', async (t) => {
  const { version } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { version: string }
  const folders = [root, new URL('docs/', root)]
  const names = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).map((name) => new URL(name, folder))),
  )
  const pages = names.flat().filter(({ pathname }) => /\.(md|service|yaml|timer)$/.test(pathname))
  const wrong = []
  for (const page of pages) {
    for (const line of (await readFile(page, 'utf8')).split('\n')) {
      const [, packed = version] = /kss-server-(.+)\.tgz/.exec(line) ?? []
      if (packed !== version || /\bnp(m|x)\b.*[ `]kss-server(@|\s|`|$)/.test(line)) wrong.push(line)
    }
  }
  t.same(wrong, [])
})
