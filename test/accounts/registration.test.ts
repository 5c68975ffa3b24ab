import t from 'tap'
import { isRegistrationOpen } from '../../src/accounts/registration.ts'

for (const [said, disabled, open] of [
  [{}, false, true],
  [{}, true, false],
  [{ open: true }, true, true],
  [{ open: false }, false, false],
  [{ open: true, until: 1001 }, true, true],
  [{ open: true, until: 1000 }, true, false],
  [{ open: true, until: 1000 }, false, false],
] as const) {
  t.test(
    `registration is ${open ? 'open' : 'closed'} with ${JSON.stringify(said)}, disabled: ${disabled}`,
    async (t) => {
      t.equal(isRegistrationOpen({ ...said, invited: [] }, disabled, 1_000_000), open)
    },
  )
}
