import t from 'tap'
import { SetupCode } from '../../src/accounts/setup-code.ts'

t.test('codes are random, and easy to type', async (t) => {
  const codes = Array.from({ length: 100 }, () => SetupCode.create(Date.now).code)
  for (const code of codes) t.match(code, /^[\dA-HJKMNP-TV-Z]{4}(-[\dA-HJKMNP-TV-Z]{4}){2}$/)
  t.equal(new Set(codes).size, 100)
})

t.test('a code matches however it is typed, until it was used or half an hour is over', async (t) => {
  let now = 0
  const { code, setupCode } = SetupCode.create(() => now)
  t.ok(setupCode.matches(code))
  t.ok(setupCode.matches(` ${code.replaceAll('-', '').toLowerCase()}\n`))
  for (const wrong of ['', code.slice(1), `${code}0`, 'é']) t.notOk(setupCode.matches(wrong))
  now = 30 * 60_000 - 1
  t.ok(setupCode.matches(code))
  now += 1
  t.notOk(setupCode.matches(code))
  t.equal(await setupCode.use(async () => t.fail()), false)
})

t.test('a code is used up by work that is done, not by work that fails', async (t) => {
  const { code, setupCode } = SetupCode.create(() => 0)
  await t.rejects(
    setupCode.use(() => Promise.reject(new Error('full'))),
    { message: 'full' },
  )
  t.ok(setupCode.matches(code))
  const both = await Promise.all([setupCode.use(async () => undefined), setupCode.use(async () => undefined)])
  t.same(both, [true, false])
  t.notOk(setupCode.matches(code))
})
