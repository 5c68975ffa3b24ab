import type { ActivityKind } from '../activity/activity.ts'
import { adminPage } from './admin-page.ts'
import { html, name, time } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'
import { table } from './table.ts'

const kinds: Record<ActivityKind, string> = {
  registration: 'New account',
  'sign-in': 'Log-in',
  command: 'Command',
  change: 'Operator',
  failure: 'Refused',
}

/** The latest events of the server; no titles or positions. */
export async function showActivity(visit: ReaderVisit): Promise<Page> {
  const tasks = await visit.options.tasks()
  const { activity } = await tasks.stats()
  const rows = activity.map(({ kind, who, what, time: milliseconds, count: times }) => [
    time(Math.floor(milliseconds / 1000)),
    kinds[kind],
    who !== '' && name(who),
    html`${name(what)}${times > 1 && ` (${times} times)`}`,
  ])
  const body = html`<p>The last of each kind since this server started; what readers read is not in it.</p>
    ${rows.length > 0 ? table([['When'], ['What'], ['Who'], ['Details', 'plain']], rows) : html`<p>Nothing yet.</p>`}`
  return adminPage(visit, 'Activity', body)
}
