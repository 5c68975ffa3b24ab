import { PassThrough } from 'node:stream'
import t from 'tap'
import { randomPassword } from '../../src/accounts/random-password.ts'
import { readPassword } from '../../src/commands/password.ts'
import { fakeTerminal } from './fake-terminal.ts'

/** Standard input with this text. */
function piped(text: string): { stdin: PassThrough; stderr: PassThrough } {
  const stdin = new PassThrough()
  stdin.end(text)
  return { stdin, stderr: new PassThrough() }
}

t.test('a password that is made up is easy to type, and another one each time', async (t) => {
  const passwords = Array.from({ length: 200 }, randomPassword)
  for (const password of passwords) if (!/^[a-km-z2-9]{12}$/.test(password)) t.fail(password)
  t.equal(new Set(passwords).size, 200)
  t.match(await readPassword({ random: true }), /^\w{12}$/)
})

for (const [text, password] of [
  ['secret\n', 'secret'],
  ['secret\r\n', 'secret'],
  ['secret', 'secret'],
  [' two words \n', ' two words '],
  ['line\n\n', 'line\n'],
] as const) {
  t.test(`${JSON.stringify(text)} on standard input is the password ${JSON.stringify(password)}`, async (t) => {
    t.equal(await readPassword({ passwordStdin: true }, piped(text)), password)
  })
}

for (const text of ['', '\n', '\r\n']) {
  t.test(`${JSON.stringify(text)} is no password`, async (t) => {
    const refusal = { message: 'The password is empty.', exitCode: 2 }
    await t.rejects(readPassword({ passwordStdin: true }, piped(text)), refusal)
  })
}

t.test('a person is asked twice, and nothing of it is shown', async (t) => {
  const terminal = fakeTerminal([
    ['Password: ', 'secret\n'],
    ['Again: ', 'secret\n'],
  ])
  t.equal(await readPassword({}, terminal), 'secret')
  t.notMatch(terminal.shown, 'secret')
})

for (const [answers, message, exitCode] of [
  [['secret\n', 'secrte\n'], 'The passwords differ.', 2],
  [['\n'], 'The password is empty.', 2],
  [['secret\n', '\u0003'], 'Nothing was changed.', 1],
] as const) {
  t.test(`${JSON.stringify(answers)} at the prompts ends with: ${message}`, async (t) => {
    const [first = '', second = ''] = answers as readonly string[]
    const terminal = fakeTerminal([
      ['Password: ', first],
      ['Again: ', second],
    ])
    await t.rejects(readPassword({}, terminal), { message, exitCode })
  })
}
