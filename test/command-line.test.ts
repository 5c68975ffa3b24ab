import { join } from 'node:path'
import t from 'tap'
import { commandLine, kssCommand } from '../src/command-line.ts'
import { loadConfig } from '../src/config.ts'

const cwd = process.cwd()

for (const [what, script, values, envFile, expected] of [
  ['npm put into a folder of PATH', '/usr/local/bin/kss', {}, undefined, 'kss invite ann'],
  ['npx runs', '/root/.npm/_npx/1f/node_modules/.bin/kss', {}, undefined, 'npx kss invite ann'],
  ['npx runs by its other name', '/x/node_modules/.bin/kss-server', {}, undefined, 'npx kss-server invite ann'],
  ['Node runs in a checkout', '/my src/bin/kss.cjs', {}, undefined, "node '/my src/bin/kss.cjs' invite ann"],
  ['is an executable of its own', process.execPath, {}, undefined, `${process.execPath} invite ann`],
  ['has a folder', '/bin/kss', { KSS_DIR: '/srv/kss' }, undefined, 'kss invite ann --dir /srv/kss'],
  ['has a relative folder', '/bin/kss', { KSS_DIR: 'x' }, undefined, `kss invite ann --dir ${join(cwd, 'x')}`],
  [
    'has a folder with blanks',
    '/bin/kss',
    { KSS_DIR: "/ann's books" },
    undefined,
    `kss invite ann --dir '/ann'\\''s books'`,
  ],
  ['has an env file', '/bin/kss', {}, '/dev/null', 'kss invite ann --env-file /dev/null'],
  ['has a relative env file', '/bin/kss', {}, 'LICENSE', `kss invite ann --env-file ${join(cwd, 'LICENSE')}`],
] as const) {
  t.test(`a kss that ${what} is told as ${expected}`, async (t) => {
    t.equal(commandLine(loadConfig(values, envFile, {}), envFile, script)('invite ann'), expected)
  })
}

t.test('a folder from a variable or an env file is named too: another shell may have neither', async (t) => {
  const file = join(t.testdir({ env: 'KSS_DIR=/srv/kss\n' }), 'env')
  t.equal(
    commandLine(loadConfig({}, undefined, { KSS_DIR: '/srv/kss' }), undefined, 'kss')('invite'),
    'kss invite --dir /srv/kss',
  )
  t.equal(commandLine(loadConfig({}, file, {}), file, 'kss')('invite'), `kss invite --dir /srv/kss --env-file ${file}`)
})

t.test('a name that a stranger chose is one word of a command, and no option', (t) => {
  t.equal(kssCommand('doctor', '$(reboot)'), "kss doctor '$(reboot)'")
  t.equal(kssCommand('doc merge', 'ann', "it's", '`a`'), "kss doc merge ann 'it'\\''s' '`a`'")
  t.equal(kssCommand('user passwd', '--all'), 'kss user passwd -- --all')
  t.end()
})
