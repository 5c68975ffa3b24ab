import { adminPage } from './admin-page.ts'
import { html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'
import { table } from './table.ts'

/** The page of all settings and their sources. */
export async function showSettings(visit: ReaderVisit): Promise<Page> {
  const tasks = await visit.options.tasks()
  const rows = tasks
    .settings()
    .map(({ name, value, source }) => [
      html`<code>${name}</code>`,
      html`<code>${value === '' ? '–' : value}</code>`,
      source,
    ])
  const body = html`<p>They are read when kss starts: change them in the environment or the env file, and start it again.</p>
    ${table([['Setting', 'name'], ['Value'], ['From']], rows)}`
  return adminPage(visit, 'Settings', body)
}
