import t from 'tap'
import { html } from '../../src/console/page.ts'
import { describeRun } from '../../src/console/run-state.ts'

t.test('work shows how far it is as soon as that is known', async (t) => {
  const textOf = (done: number, total: number): string =>
    html`${describeRun({ is: 'running', started: 1000, done, total }, 'The check', () => '')}`.toString()
  t.match(textOf(3, 7), '<progress value="3" max="7">3 of 7</progress>')
  t.notMatch(textOf(0, 0), '<progress')
})
