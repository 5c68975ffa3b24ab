import type { User } from '../store/store.ts'
import { adminPage } from './admin-page.ts'
import { userForm } from './admin-user.ts'
import { userPath } from './admin-users.ts'
import { button, html, notice, type Html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'
import { eachPage } from '../store/pages.ts'

type What = 'disable' | 'operator' | 'remove'

const wayBack = {
  disable: 'user enable',
  operator: 'user admin',
  remove: 'user add --admin',
} as const

const buttons = { disable: 'Disable', operator: 'No operator any more', remove: 'Remove' } as const

/**
 * A page that warns operators who are about to lock themselves out; undefined if they have confirmed, or if the account
 * is another one: then this operator remains.
 */
export async function warnOfLockOut(visit: ReaderVisit, user: User, what: What): Promise<Page | undefined> {
  if (user.account.id !== visit.account.id || visit.form.get('sure') === 'yes') return undefined
  const kept = [...visit.form].filter(([key]) => key === 'typed')
  const again = html`${kept.map(([key, value]) => html`<input type="hidden" name="${key}" value="${value}" />`)}
    <input type="hidden" name="sure" value="yes" />${button(`${buttons[what]} all the same`)}`
  const body = html`${notice(follows(await hasOtherOperator(visit), what), 'alert')} ${userForm(visit, user, what, again)}
    <p><a href="${userPath(visit.base, user.username)}">Leave it as it is</a></p>`
  return adminPage(visit, 'Are you sure?', body, { status: 409 })
}

function follows(isOtherLeft: boolean, what: What): Html {
  const back = html`<code>kss ${wayBack[what]} …</code>`
  const self = 'This is your own account: you cannot open these pages any more.'
  if (isOtherLeft)
    return html`${self} Another operator can bring that back, or a command on the machine itself: ${back}`
  return html`${self} It is the last operator who can sign in: only a command on the machine itself brings that back: ${back}`
}

/** Whether another operator can sign in. */
async function hasOtherOperator({ options: { admin }, account }: ReaderVisit): Promise<boolean> {
  for await (const { users } of eachPage((cursor) => admin.listUsers(cursor))) {
    const others = users.filter(({ username }) => username !== account.username)
    if (others.some((other) => other.admin === true && other.disabled !== true)) return true
  }
  return false
}
