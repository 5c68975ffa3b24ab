import { networkInterfaces } from 'node:os'
import { stdout } from 'node:process'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { announce, serverAddresses, type Announced } from '../../src/commands/announce.ts'
import { loadConfig } from '../../src/config.ts'

const config = (values: Record<string, string>) => loadConfig(values, undefined, {}).config

t.test('the address to type is the LAN one, with the base path', async (t) => {
  const addresses = serverAddresses(config({ KSS_BASE_PATH: '/kosync', KSS_PORT: '81' }))
  t.ok(addresses.length > 0)
  const mine = new Set(Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []))
  for (const address of addresses) {
    const { hostname, port, pathname } = new URL(address)
    t.ok(mine.has(hostname))
    t.same([port, pathname], ['81', '/kosync'])
  }
})

t.test('with https the address begins with it, and one of plain http beside it comes second', async (t) => {
  const values = { KSS_HOST: '10.0.0.7', KSS_TLS: 'self-signed', KSS_BASE_PATH: '/kosync' }
  t.same(serverAddresses(config(values)), ['https://10.0.0.7:8080/kosync'])
  const both = ['https://10.0.0.7:8443/kosync', 'http://10.0.0.7:8080/kosync']
  t.same(serverAddresses(config({ ...values, KSS_TLS_PORT: '8443' })), both)
})

t.test('a machine without a network is at 127.0.0.1', async (t) => {
  const { serverAddresses: offline } = await t.mockImport<{ serverAddresses: typeof serverAddresses }>(
    '../../src/commands/announce.ts',
    { 'node:os': { networkInterfaces: () => ({ lo: undefined }) } },
  )
  t.same(offline(config({})), ['http://127.0.0.1:8080'])
})

const place = { dir: '/srv/kss' }

for (const [host, expected] of [
  ['10.0.0.7', 'http://10.0.0.7:8080'],
  ['fd00::7', 'http://[fd00::7]:8080'],
  ['books.lan', 'http://books.lan:8080'],
] as const) {
  t.test(`a server that listens on ${host} is at ${expected}`, async (t) => {
    t.same(serverAddresses(config({ KSS_HOST: host })), [expected])
  })
}

for (const [users, isOpen, expected] of [
  [1, true, /\(1 user\)\nRegistration: +open; once all have signed up, close it: npx kss registration close\n/],
  [10_001, true, /\(more than 10,000 users\)\n/],
  [2, false, /\(2 users\)\nRegistration: +closed; to let somebody in: npx kss invite NAME\n/],
] as const) {
  t.test(`a terminal shows what to type, the folder, ${users} and whether registration is open`, async (t) => {
    const text = bannerOf(t, '10.0.0.7', { place, users, isOpen })
    t.match(text, /^kss \d+\.\d+\.\d+ is running\. [^]*\n {2}http:\/\/10\.0\.0\.7:8080\n/)
    t.match(text, expected)
  })
}

for (const [users, expected] of [
  [10_000, 10_000],
  [10_001, 'more than 10000'],
] as const) {
  t.test(`elsewhere ${users} users are one line of the log`, async (t) => {
    const lines: Record<string, unknown>[] = []
    const logger = pino({}, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) })
    const wasTerminal = stdout.isTTY
    stdout.isTTY = false
    announce(
      config({ KSS_DIR: '/srv/kss' }),
      { place: { dir: '/srv/kss' }, users, isOpen: false, kss: (command) => command },
      logger,
    )
    stdout.isTTY = wasTerminal
    t.match(lines, [{ msg: 'listening', dir: '/srv/kss', users: expected, registration: 'closed' }])
  })
}

for (const host of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', 'localhost']) {
  t.test(`a terminal shows that no reader can reach ${host}, and what to do`, async (t) => {
    const text = bannerOf(t, host, { place, users: 0, isOpen: true })
    t.match(
      text,
      `No reader can reach it: ${host} is for programs on this machine only. Start it with --host 0.0.0.0,\n`,
    )
    t.notMatch(text, /http:|On the reader/)
  })
}

/** What a terminal shows of a server at that address. */
function bannerOf(t: Test, host: string, found: Omit<Announced, 'kss'>): string {
  const written = t.capture(stdout, 'write', () => true)
  const wasTerminal = stdout.isTTY
  stdout.isTTY = true
  const kss = (command: string): string => `npx kss ${command}`
  announce(config({ KSS_HOST: host }), { ...found, kss }, pino({ level: 'silent' }))
  stdout.isTTY = wasTerminal
  return String(written()[0]?.args[0])
}

t.test('a terminal shows where the data is that is in no folder', async (t) => {
  const store = 'Redis at localhost:6379, database 1'
  const text = bannerOf(t, '10.0.0.7', { place: { store }, users: 1, isOpen: true })
  t.match(text, `Data store:    ${store} (1 user)\n`)
})
