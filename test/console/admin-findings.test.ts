import t from 'tap'
import type { CheckResult } from '../../src/console/operator-tasks.ts'
import type { Finding } from '../../src/store/finding.ts'
import { openOperatorConsole } from './operator-console.ts'

const finding: Finding = { path: 'ann/abc.json', problem: 'is not JSON', damage: false }

const results: [string, CheckResult, RegExp, RegExp][] = [
  ['a note', { findings: [finding], total: 1, damaged: 0 }, /Note: <code>/, /Damage|kss check|A repair|To do/],
  [
    'what only a person can mend',
    { findings: [{ ...finding, damage: true, advice: 'take it from a backup' }], total: 1, damaged: 1 },
    /Damage:<\/strong>[^]*To do: take it from a backup\./,
    /A repair|kss check/,
  ],
  [
    'more than is shown',
    { findings: [{ ...finding, repair: 'is set aside' }], total: 5, damaged: 0 },
    /--repair<\/code>[^]*A repair: it is set aside\.[^]*And 4 more/,
    /To do/,
  ],
]

for (const [what, result, shown, notShown] of results) {
  t.test(`the page of a check tells ${what}`, async (t) => {
    const { root, tasks } = await openOperatorConsole(t)
    tasks.check.state = () => ({ is: 'done', started: 1000, ended: 2000, result })
    const { body } = await root.get('/admin/check')
    t.match(body, shown)
    t.notMatch(body, notShown)
  })
}
