import type { ActivityKind } from '../activity/activity.ts'
import { adminPage } from './admin-page.ts'
import { html, name, time } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

const kinds: Record<ActivityKind, string> = {
  registration: 'New account',
  'sign-in': 'Log-in',
  command: 'Command',
  change: 'Operator',
  failure: 'Refused',
}

/** What happened lately, without what anybody reads. */
export async function showActivity(visit: ReaderVisit): Promise<Page> {
  const tasks = await visit.options.tasks()
  const { activity } = await tasks.stats()
  const rows = activity.map(
    ({ kind, who, what, time: milliseconds, count: times }) =>
      html`<tr>
        <td data-label="When">${time(Math.floor(milliseconds / 1000))}</td>
        <td data-label="What">${kinds[kind]}</td>
        <td data-label="Who">${who !== '' && name(who)}</td>
        <td>${name(what)}${times > 1 && ` (${times} times)`}</td>
      </tr>`,
  )
  const body = html`<p>The last of each kind since this server started; what readers read is not in it.</p>
    ${
      rows.length > 0
        ? html`<table>
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th>Who</th>
                <th>Details</th>
              </tr>
            </thead>
            <tbody>
              ${rows}
            </tbody>
          </table>`
        : html`<p>Nothing yet.</p>`
    }`
  return adminPage(visit, 'Activity', body)
}
