import type { AccountSummary, User } from '../store/store.ts'
import { adminPage } from './admin-page.ts'
import { button, field, form, html, name, notice, time, type Html, type Part } from './page.ts'
import { passwordChoice } from './password-choice.ts'
import { Refusal } from './refusal.ts'
import type { Page, ReaderVisit } from './route.ts'
import { count, formatBytes } from './units.ts'

/** The confirmations, by the word in the page's query. */
const outcomes = new Map([
  ['added', 'The account is there.'],
  ['disabled', 'The account is disabled: its readers cannot log in. Nothing was removed.'],
  ['enabled', 'The account is enabled: its readers can log in again.'],
  ['renamed', 'The account has another name. Log in with it on each reader; the password stays.'],
  ['password', 'The account has another password. Log in with it on each reader.'],
  ['operator', 'The account is an operator. It has to sign in again to see these pages.'],
  ['reader', 'The account is no operator any more.'],
  ['quota', 'The limits are changed.'],
])

/** The page of one account, with its actions. */
export async function showUser(visit: ReaderVisit): Promise<Page> {
  const user = await findUser(visit, visit.query.get('name') ?? '')
  const outcome = outcomes.get(visit.query.get('done') ?? '')
  return await userPage(visit, user, outcome && notice(outcome))
}

/** The account. Throws a Refusal if there is none. */
export async function findUser({ options }: ReaderVisit, username: string): Promise<User> {
  const user = await options.store.getUser(username)
  if (user) return user
  throw new Refusal(
    404,
    'There is no such user',
    html`There is no account ${name(username)}. It may have been renamed or removed.`,
  )
}

/** `above` is a confirmation or an error. */
export async function userPage(visit: ReaderVisit, user: User, above?: Part, status = 200): Promise<Page> {
  const summary = await visit.options.admin.getSummary(user.account)
  const body = html`${above}
    <p><strong>${name(user.account.username)}</strong></p>
    ${facts(summary, user)} ${actions(visit, user)}`
  return adminPage(visit, 'User', body, { status })
}

function facts({ documents, devices, bytes, lastSync, problems }: AccountSummary, { admin, disabled }: User): Html {
  return html`${problems.map((problem) => notice(problem, 'alert'))}
    <dl>
      <dt>Books</dt>
      <dd>${count(documents, 'book')} on ${count(devices, 'reader')}</dd>
      <dt>Last sync</dt>
      <dd>${lastSync === undefined ? 'never' : time(lastSync)}</dd>
      <dt>Size</dt>
      <dd>${formatBytes(bytes)}</dd>
      <dt>State</dt>
      <dd>${disabled ? 'disabled' : 'enabled'}${admin === true && ', operator'}</dd>
    </dl>`
}

function actions(visit: ReaderVisit, user: User): Html {
  const { admin, disabled, account } = user
  const act = (what: string, content: Part): Html => userForm(visit, user, what, content)
  return html`<h2>Log-in</h2>
    ${disabled ? act('enable', button('Enable')) : act('disable', button('Disable'))}
    ${admin === true ? act('operator', button('No operator any more')) : act('operator', html`<input type="hidden" name="on" value="yes" />${button('Make an operator')}`)}
    <h2>New password</h2>
    <p>Each reader of the account has to log in with it.</p>
    ${act('password', html`${passwordChoice()} ${button('Set the password')}`)}
    <h2>Rename</h2>
    <p>Each reader of the account has to log in with the new name.</p>
    ${act('rename', html`${field({ label: 'New name', name: 'to' })} ${button('Rename')}`)}
    <h2>Limits</h2>
    ${act('quota', quotaFields(user))}
    <h2>Remove</h2>
    <p>All its books, with their history, go for good. A backup holds them still. Type the name to say so.</p>
    ${act('remove', html`${field({ label: `The name, ${account.username}`, name: 'typed' })} ${button('Remove')}`)}`
}

function quotaFields({ quota = {} }: User): Html {
  const { documents, bytes } = quota
  const megabytes = bytes === undefined ? '' : Number((bytes / 2 ** 20).toFixed(6))
  return html`<p>Empty is as the settings say; 0 is no limit.</p>
    <p>
      <label for="documents">Books</label>
      <input id="documents" name="documents" type="text" inputmode="numeric" value="${documents ?? ''}" maxlength="12" />
    </p>
    <p>
      <label for="megabytes">Size, in MB</label>
      <input id="megabytes" name="megabytes" type="text" inputmode="decimal" value="${megabytes}" maxlength="20" />
    </p>
    ${button('Set the limits')}`
}

/** A form for the account, with its id: another account may get the name meanwhile. */
export function userForm(visit: ReaderVisit, { account }: User, what: string, content: Part): Html {
  return form(
    visit,
    `/admin/user/${what}`,
    html`<input type="hidden" name="username" value="${account.username}" />
      <input type="hidden" name="id" value="${account.id}" />
      ${content}`,
  )
}
