import { adminPage } from './admin-page.ts'
import type { Backup } from './operator-tasks.ts'
import { button, form, html, name, notice, time, type Html, type Part } from './page.ts'
import { Refusal } from './refusal.ts'
import type { Answer, Page, ReaderVisit } from './route.ts'
import { describeRun, refreshSeconds } from './run-state.ts'
import { table } from './table.ts'
import { count, formatBytes } from './units.ts'

/** The list of backups, and the state of a running one. */
export async function showBackups(visit: ReaderVisit, above?: Part, status = 200): Promise<Page> {
  const tasks = await visit.options.tasks()
  const state = tasks.backup.state()
  const isRunning = state.is === 'running'
  const backups = await tasks.listBackups()
  const run = describeRun(
    state,
    'The backup',
    ({ name: made, users, documents, lacks }) =>
      html`${name(made)} holds ${count(users, 'account')} and ${count(documents, 'book')}. ${lacks}`,
  )
  const body = html`${above} ${run}
    <p>A backup holds all accounts with their books. Keep a copy on another disk: what is on this one goes with it.</p>
    ${!isRunning && form(visit, '/admin/backups', button('Make a backup'))}
    ${backups.length > 0 ? backupTable(visit, backups) : html`<p>There is no backup yet.</p>`}`
  return adminPage(visit, 'Backups', body, { status, ...(isRunning && { refresh: refreshSeconds }) })
}

function backupTable(visit: ReaderVisit, backups: Backup[]): Html {
  const rows = backups.map((backup) => {
    const content = html`<input type="hidden" name="name" value="${backup.name}" />${button('Download')}`
    const download = form(visit, '/admin/backups/download', content)
    return [name(backup.name), time(backup.created), formatBytes(backup.bytes), download]
  })
  return table([['File', 'name'], ['Made'], ['Size', 'number'], ['Copy', 'plain']], rows)
}

/** Starts a backup, and redirects to its state. */
export async function makeBackup(visit: ReaderVisit): Promise<Answer> {
  const tasks = await visit.options.tasks()
  if (!tasks.backup.start()) {
    return await showBackups(visit, notice('A backup is under way already.', 'alert'), 409)
  }
  tasks.record(visit.account.username, ['backup', 'create'])
  return { redirect: '/admin/backups' }
}

export async function downloadBackup(visit: ReaderVisit): Promise<Answer> {
  const asked = visit.form.get('name') ?? ''
  const tasks = await visit.options.tasks()
  const opened = await tasks.openBackup(asked)
  if (!opened) throw new Refusal(404, 'There is no such backup', 'It may have been removed. Open the list again.')
  tasks.record(visit.account.username, ['backup', 'download', asked])
  return { file: opened.stream, type: 'application/gzip', download: asked, bytes: opened.bytes }
}
