import { html, type Html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

const pages = [
  ['/admin', 'Overview'],
  ['/admin/users', 'Users'],
  ['/admin/registration', 'Registration'],
  ['/admin/backups', 'Backups'],
  ['/admin/check', 'Check'],
  ['/admin/settings', 'Settings'],
  ['/admin/activity', 'Activity'],
] as const

/** An operators' page, with links to the others. */
export function adminPage({ base, path }: ReaderVisit, title: string, body: Html, more: Partial<Page> = {}): Page {
  const items = pages.map(
    ([to, label]) => html`<li><a href="${base}${to}"${path === to && html` aria-current="page"`}>${label}</a></li>`,
  )
  const links = html`<nav aria-label="Operator">
    <ul class="row">
      ${items}
    </ul>
  </nav>`
  return { title, body: html`${links} ${body}`, ...more }
}
