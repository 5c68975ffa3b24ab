import type { Finding } from '../store/finding.ts'
import { adminPage } from './admin-page.ts'
import type { CheckResult } from './operator-tasks.ts'
import { button, form, html, name, notice, type Html, type Part } from './page.ts'
import type { Answer, Page, ReaderVisit } from './route.ts'
import { describeRun, refreshSeconds } from './run-state.ts'
import { count } from './units.ts'

/** The findings of the last check of the data folder. */
export async function showCheck(visit: ReaderVisit, above?: Part, status = 200): Promise<Page> {
  const tasks = await visit.options.tasks()
  const state = tasks.check.state()
  const isRunning = state.is === 'running'
  const body = html`${above} ${describeRun(state, 'The check', summaryOf)}
    <p>A check reads every file of the data folder, and changes nothing. Readers can sync meanwhile.</p>
    ${!isRunning && form(visit, '/admin/check', button('Check now'))}
    ${state.is === 'done' && findings(state.result)}`
  return adminPage(visit, 'Check', body, { status, ...(isRunning && { refresh: refreshSeconds }) })
}

/** Starts a check, and redirects to its state. */
export async function runCheck(visit: ReaderVisit): Promise<Answer> {
  const tasks = await visit.options.tasks()
  if (!tasks.check.start()) return await showCheck(visit, notice('A check is under way already.', 'alert'), 409)
  tasks.record(visit.account.username, ['check'])
  return { redirect: '/admin/check' }
}

function summaryOf({ total, damaged }: CheckResult): string {
  return total === 0 ? 'All is well.' : `${count(total, 'finding')}, ${damaged} of them damage.`
}

function findings({ findings: first, total }: CheckResult): Part {
  if (total === 0) return undefined
  const isMendable = first.some(({ repair }) => repair !== undefined)
  return html`${isMendable && html`<p>On the machine, <code>kss check --repair</code> mends it, and loses nothing.</p>`}
    <ul>
      ${first.map(describe)}
    </ul>
    ${total > first.length && html`<p>And ${total - first.length} more: <code>kss check</code> tells all.</p>`}`
}

function describe({ path, problem, repair, advice, damage }: Finding): Html {
  return html`<li>
    ${damage ? html`<strong>Damage:</strong>` : 'Note:'} <code>${name(path)}</code> ${problem}.
    ${repair !== undefined && html`<br />A repair: it ${repair}.`} ${advice !== undefined && html`<br />To do: ${advice}.`}
  </li>`
}
