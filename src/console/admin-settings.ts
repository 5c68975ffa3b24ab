import { adminPage } from './admin-page.ts'
import { html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

/** Each setting, and where it comes from. */
export async function showSettings(visit: ReaderVisit): Promise<Page> {
  const tasks = await visit.options.tasks()
  const rows = tasks.settings().map(
    ({ name, value, source }) =>
      html`<tr>
        <th><code>${name}</code></th>
        <td data-label="Value"><code>${value === '' ? '–' : value}</code></td>
        <td data-label="From">${source}</td>
      </tr>`,
  )
  const body = html`<p>They are read when kss starts: change them in the environment or the env file, and start it again.</p>
    <table>
      <thead>
        <tr>
          <th>Setting</th>
          <th>Value</th>
          <th>From</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`
  return adminPage(visit, 'Settings', body)
}
