import { trimBlanks } from '../kosync/credentials.ts'
import { newPasswordFields, readNewPassword } from './new-password.ts'
import { button, field, form, html, name, notice } from './page.ts'
import { Refusal } from './refusal.ts'
import type { Answer, File, Page, ReaderVisit, Redirect } from './route.ts'

/** The page of the signed-in account. */
export function showAccount(visit: ReaderVisit): Page {
  return accountPage(visit)
}

export async function changePassword(visit: ReaderVisit): Promise<Answer> {
  const typed = readNewPassword(visit.form)
  if ('error' in typed) return accountPage(visit, typed.error)
  const { options, account } = visit
  await options.accounts.changeKey(account, typed.key)
  return await leave(visit, 'password')
}

export async function signOutEverywhere(visit: ReaderVisit): Promise<Redirect> {
  return await leave(visit, 'everywhere')
}

export async function deleteAccount(visit: ReaderVisit): Promise<Answer> {
  const { options, account, form: typed } = visit
  if (trimBlanks(typed.get('username') ?? '') !== account.username) {
    return accountPage(visit, 'Nothing was deleted: that is not the name of this account.')
  }
  await options.store.deleteUser(account)
  return await leave(visit, 'deleted')
}

/** Ends all sessions of the account, including this one; the first page confirms it. */
async function leave(visit: ReaderVisit, done: string): Promise<Redirect> {
  await visit.options.sessions.deleteSessions(visit.account.id)
  await visit.signOut()
  return { redirect: `/?done=${done}` }
}

const formats = {
  kss: { type: 'application/gzip', extension: 'tar.gz' },
  csv: { type: 'text/csv; charset=utf-8', extension: 'csv' },
}

/** All data of the account, as a file. */
export async function exportAccount({ params, options, account }: ReaderVisit): Promise<File> {
  const { format } = params
  if (format !== 'kss' && format !== 'csv')
    throw new Refusal(404, 'There is no such file', 'Go back to the page “Account”.')
  const { type, extension } = formats[format]
  const tasks = await options.tasks()
  return {
    file: await tasks.export(account, format),
    type,
    download: `kss-${account.username}.${extension}`,
  }
}

function accountPage(visit: ReaderVisit, error?: string): Page {
  const { base, account } = visit
  const body = html`${error !== undefined && notice(error, 'alert')}
<p>You are signed in as ${name(account.username)}.</p>
<h2>Change the password</h2>
<p>Every reader must log in again with the new password, and so must every browser.</p>
${form(
  visit,
  '/account/password',
  html`${newPasswordFields('New password')}
${button('Change the password')}`,
)}
<h2>Take your data with you</h2>
<ul>
<li><a href="${base}/account/export/kss">All positions and their history</a>, an archive for <code>kss backup restore --merge</code></li>
<li><a href="${base}/account/export/csv">The same as a table</a>, for a spreadsheet</li>
</ul>
<h2>Sign out everywhere</h2>
<p>Ends your visit in every browser, this one too. Readers stay logged in.</p>
${form(visit, '/account/sign-out-everywhere', button('Sign out everywhere'))}
<h2>Delete the account</h2>
<p>All positions and their history go, and cannot be brought back. To be sure, type your name, ${name(account.username)}.</p>
${form(
  visit,
  '/account/delete',
  html`${field({ label: 'Name', name: 'username' })}
${button('Delete the account')}`,
)}`
  return { title: 'Account', body, ...(error !== undefined && { status: 400 }) }
}
