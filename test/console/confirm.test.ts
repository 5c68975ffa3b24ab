import t, { type Test } from 'tap'
import { position } from '../helper.ts'
import { accountOf } from '../store/by-name.ts'
import { openConsole, type TestConsole, type Visitor } from './visitor.ts'

const path = '/books/abc/remove'

/** Somebody with a book, on the page that removes it. */
async function open(t: Test): Promise<TestConsole & { ann: Visitor; isThere: () => Promise<boolean> }> {
  const console = openConsole(t)
  const ann = await console.reader()
  const account = await accountOf(console.store, 'ann')
  await console.store.putProgress(account, { ...position, timestamp: 1 })
  await ann.get(path)
  const isThere = async (): Promise<boolean> => (await console.store.getProgress(account, 'abc')) !== undefined
  return { ...console, ann, isThere }
}

t.test('what cannot be undone is done at once within 15 minutes after the password was typed', async (t) => {
  const { ann, isThere, clock } = await open(t)
  clock.now += 15 * 60_000
  t.equal((await ann.post(path)).statusCode, 303)
  t.equal(await isThere(), false)
})

t.test('later it asks for the password, once, and keeps what was typed', async (t) => {
  const { ann, isThere, clock } = await open(t)
  clock.now += 15 * 60_000 + 1000
  const asked = await ann.post(path, { note: '"><script>' })
  t.match(asked, { statusCode: 403, body: /Nothing was done yet/ })
  t.match(asked.body, `action="${path}"`)
  t.match(asked.body, /name="password-again"[^>]*maxlength="1024"/, 'as at the sign-in')
  t.match(asked.body, /name="note"\s+value="&quot;&gt;&lt;script&gt;"/)
  for (const password of ['', 'wrong']) {
    const wrong = await ann.post(path, { 'password-again': password })
    t.match(wrong, { statusCode: 401, body: /That is not your password/ })
    t.notMatch(wrong.body, 'value="wrong"')
  }
  t.equal(await isThere(), true)
  t.equal((await ann.post(path, { 'password-again': 'secret' })).statusCode, 303)
  t.equal(await isThere(), false)
  t.equal((await ann.post(path)).statusCode, 404, 'there is no book any more, and no question')
})

t.test('the password of another account is none', async (t) => {
  const { ann, isThere, clock, reader } = await open(t)
  await reader('bob')
  clock.now += 15 * 60_000 + 1000
  t.equal((await ann.post(path, { 'password-again': 'x', username: 'bob' })).statusCode, 401)
  t.equal(await isThere(), true)
})
