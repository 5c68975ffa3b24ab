import { trimBlanks } from '../kosync/credentials.ts'
import type { Registration } from '../store/store.ts'
import { adminPage } from './admin-page.ts'
import { registrationWords } from './admin.ts'
import { button, field, form, html, name, notice, time, type Html, type Part } from './page.ts'
import type { Answer, Page, ReaderVisit } from './route.ts'
import { isName, nameRule } from './sign-up.ts'

/** The durations of an open registration: as a command takes them, in words, and in seconds. */
const durations = [
  ['', 'until it is closed', undefined],
  ['1h', 'for an hour', 3600],
  ['1d', 'for a day', 86_400],
  ['7d', 'for a week', 7 * 86_400],
] as const

/** The page of registration and invitations. */
export async function showRegistration(visit: ReaderVisit, above?: Part, status = 200): Promise<Page> {
  const { options } = visit
  const said = await options.store.getRegistration()
  const state = await options.accounts.registration()
  const until = state === 'open' && said.until !== undefined && html`, until ${time(said.until)}`
  const body = html`${above}
    <p>Registration is ${registrationWords[state]}${until}. ${said.open === undefined && 'That is what the settings say.'}</p>
    ${form(visit, '/admin/registration/open', html`${durationField()} ${button('Open')}`)}
    ${form(visit, '/admin/registration/close', button('Close'))}
    ${said.open !== undefined && form(visit, '/admin/registration/default', button('As the settings say'))}
    ${invitations(visit, said)} ${removedNames(visit, said)}`
  return adminPage(visit, 'Registration', body, { status })
}

function durationField(): Html {
  const choices = durations.map(([value, label]) => html`<option value="${value}">${label}</option>`)
  return html`<p>
    <label for="for">Open it</label>
    <select id="for" name="for">
      ${choices}
    </select>
  </p>`
}

function invitations(visit: ReaderVisit, { invited }: Registration): Html {
  const rows = invited.map(
    (username) =>
      html`<li>
        ${name(username)}. To hand on: <code>${invitation(visit, username)}</code>
        ${nameForm(visit, '/admin/registration/cancel', username, 'Cancel')}
      </li>`,
  )
  return html`<h2>Invitations</h2>
    <p>Who is invited can make one account of that name, with a password of their own choice, also while registration is closed.</p>
    ${form(visit, '/admin/registration/invite', html`${field({ label: 'Name', name: 'username' })} ${button('Invite')}`)}
    ${rows.length > 0 && html`<ul>${rows}</ul>`}`
}

/** One invitation in the list. */
function invitation({ isHttps, host, base }: ReaderVisit, username: string): Html {
  const address = `${isHttps ? 'https' : 'http'}://${host}${base}`
  return html`Open ${address}/sign-up and sign up as ${name(username)}, or register on your reader at ${address}`
}

function removedNames(visit: ReaderVisit, { removed = [] }: Registration): Part {
  if (removed.length === 0) return undefined
  const rows = removed.map(
    (username) =>
      html`<li>${name(username)} ${nameForm(visit, '/admin/registration/return', username, 'Let it return')}</li>`,
  )
  return html`<h2>Names that do not come back</h2>
    <p>They were removed or renamed here. A server that accounts move from (KSS_UPSTREAM) does not bring them back.</p>
    <ul>
      ${rows}
    </ul>`
}

function nameForm(visit: ReaderVisit, path: string, username: string, label: string): Html {
  return form(visit, path, html`<input type="hidden" name="username" value="${username}" />${button(label)}`)
}

export async function openRegistration(visit: ReaderVisit): Promise<Answer> {
  const asked = visit.form.get('for') ?? ''
  const duration = durations.find(([value]) => value === asked)
  if (!duration) return await showRegistration(visit, notice('Choose for how long.', 'alert'), 400)
  const [, , seconds] = duration
  const until = seconds === undefined ? {} : { until: Math.floor(visit.options.now() / 1000) + seconds }
  await visit.options.admin.setRegistration({ open: true, ...until })
  return await done(visit, ['registration', 'open', ...(asked === '' ? [] : ['--for', asked])])
}

export async function closeRegistration(visit: ReaderVisit): Promise<Answer> {
  await visit.options.admin.setRegistration({ open: false })
  return await done(visit, ['registration', 'close'])
}

export async function resetRegistration(visit: ReaderVisit): Promise<Answer> {
  await visit.options.admin.setRegistration({})
  return await done(visit, ['registration', 'as the settings say'])
}

export async function invite(visit: ReaderVisit): Promise<Answer> {
  const username = trimBlanks(visit.form.get('username') ?? '')
  if (!isName(username)) {
    return await showRegistration(visit, notice(nameRule, 'alert'), 400)
  }
  if (await visit.options.store.getUser(username)) {
    return await showRegistration(visit, notice('This name has an account already.', 'alert'), 400)
  }
  await visit.options.admin.setInvited(username, true)
  return await done(visit, ['invite', username])
}

export async function cancelInvitation(visit: ReaderVisit): Promise<Answer> {
  const username = visit.form.get('username') ?? ''
  await visit.options.admin.setInvited(username, false)
  return await done(visit, ['invite', '--cancel', username])
}

export async function allowReturn(visit: ReaderVisit): Promise<Answer> {
  const username = visit.form.get('username') ?? ''
  await visit.options.admin.setRemoved([username], false)
  return await done(visit, ['user', 'allow-return', username])
}

async function done({ options, account }: ReaderVisit, words: string[]): Promise<Answer> {
  const tasks = await options.tasks()
  tasks.record(account.username, words)
  return { redirect: '/admin/registration' }
}
