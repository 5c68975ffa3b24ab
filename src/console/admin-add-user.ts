import { trimBlanks } from '../kosync/credentials.ts'
import { adminPage } from './admin-page.ts'
import { userPath } from './admin-users.ts'
import { button, field, form, html, notice } from './page.ts'
import { passwordChoice, readPasswordChoice, showPassword } from './password-choice.ts'
import type { Answer, Page, ReaderVisit } from './route.ts'
import { isName, nameRule } from './sign-up.ts'

/** The form for a new account. */
export function showAddUser(visit: ReaderVisit): Page {
  return page(visit, '')
}

/** Adds an account, also while registration is closed. */
export async function addUser(visit: ReaderVisit): Promise<Answer> {
  const { options, account: operator } = visit
  const username = trimBlanks(visit.form.get('username') ?? '')
  if (!isName(username)) {
    return page(visit, username, nameRule)
  }
  const chosen = readPasswordChoice(visit.form)
  if ('error' in chosen) return page(visit, username, chosen.error)
  if (!(await options.accounts.add({ username, key: chosen.key }))) {
    return page(visit, username, 'This name is taken. Choose another one.')
  }
  const tasks = await options.tasks()
  tasks.record(operator.username, ['user', 'add', username])
  if (chosen.password === undefined) return { redirect: userPath('', username, 'added') }
  const body = html`${notice('The account is there.')} ${showPassword(username, chosen.password)}
    <p><a href="${userPath(visit.base, username)}">To the account</a></p>`
  return adminPage(visit, 'Added', body)
}

function page(visit: ReaderVisit, username: string, error?: string): Page {
  const body = html`${error !== undefined && notice(error, 'alert')}
    <p>The reader logs in with this name and password. To let people choose their own, invite them under Registration.</p>
    ${form(
      visit,
      '/admin/users/add',
      html`${field({ label: 'Name', name: 'username', value: username })} ${passwordChoice()} ${button('Add')}`,
    )}`
  return adminPage(visit, 'Add a user', body, error === undefined ? {} : { status: 400 })
}
