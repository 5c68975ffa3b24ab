import type { MinuteCount } from '../activity/request-counts.ts'
import { adminPage } from './admin-page.ts'
import { bars } from './bars.ts'
import { html, notice, time, type Html, type Part } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'
import { table } from './table.ts'
import { count, formatBytes, formatDuration } from './units.ts'

/** The operators' first page: the state of the server. */
export async function showAdmin(visit: ReaderVisit): Promise<Page> {
  const { options, base } = visit
  const tasks = await options.tasks()
  const [{ version, started, disk, minutes }, backups, registration, { total }] = await Promise.all([
    tasks.stats(),
    tasks.listBackups(),
    options.accounts.registration(),
    options.admin.listAccounts(undefined, 1),
  ])
  const now = Math.floor(options.now() / 1000)
  const [newest] = backups
  const facts: [string, Part][] = [
    ['Version', version],
    ['Running for', html`${formatDuration(now - started)}, since ${time(started)}`],
    ['Users', html`<a href="${base}/admin/users">${count(total, 'account')}</a>`],
    ['Registration', html`<a href="${base}/admin/registration">${registrationWords[registration]}</a>`],
    ['Disk', `${formatBytes(disk.free)} free of ${formatBytes(disk.size)}`],
    [
      'Newest backup',
      html`<a href="${base}/admin/backups">${newest ? html`${time(newest.created)}` : 'there is none yet'}</a>`,
    ],
  ]
  const body = html`${visit.query.get('done') === 'setup' && nextSteps(base)}
    <dl>
      ${facts.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}
    </dl>
    ${lastHour(minutes)}`
  return adminPage(visit, 'Operator', body)
}

/** The notice after the first operator was made. */
function nextSteps(base: string): Html {
  return notice(html`You are the operator. Next: <a href="${base}/help">connect your reader</a>, and
    <a href="${base}/admin/registration">say who else may read here</a>.`)
}

export const registrationWords = {
  open: 'open: anybody can make an account',
  invited: 'closed, but for those who are invited',
  closed: 'closed',
} as const

function lastHour(minutes: MinuteCount[]): Html {
  const requests = minutes.map((minute) => minute.requests)
  const failures = minutes.map((minute) => minute.failures)
  const rows = minutes
    .map((minute, at) => ({ ...minute, ago: minutes.length - 1 - at }))
    .filter((minute) => minute.requests > 0)
    .toReversed()
    .map(({ ago, requests: asked, failures: failed }) => [
      ago === 0 ? 'this minute' : `${count(ago, 'minute')} ago`,
      asked,
      failed,
    ])
  return html`<h2>The last hour</h2>
    <figure>
      ${bars('Requests of the last hour, a bar a minute', requests)}
      <figcaption>${count(sum(requests), 'request')}, at most ${Math.max(...requests)} in a minute</figcaption>
    </figure>
    <figure>
      ${bars('Refused or failed requests of the last hour, a bar a minute', failures)}
      <figcaption>${count(sum(failures), 'request')} refused or failed</figcaption>
    </figure>
    ${rows.length > 0 && minuteTable(rows)}`
}

function minuteTable(rows: Part[][]): Html {
  return html`<details>
    <summary>The same as a table</summary>
    ${table([['When'], ['Requests', 'number'], ['Failures', 'number']], rows)}
  </details>`
}

function sum(numbers: number[]): number {
  return numbers.reduce((one, other) => one + other, 0)
}
