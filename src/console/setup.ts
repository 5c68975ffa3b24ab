import type { SetupCode } from '../accounts/setup-code.ts'
import { trimBlanks } from '../kosync/credentials.ts'
import type { Account } from '../store/store.ts'
import { newPasswordFields, readNewPassword } from './new-password.ts'
import { button, field, form, html, notice, type Html } from './page.ts'
import { Refusal } from './refusal.ts'
import type { Answer, Page, Visit } from './route.ts'
import { isName, nameRule } from './sign-up.ts'
import { verifyPassword } from './verify-password.ts'

/** The page that makes the first operator, with the code from the server's standard error. */
export async function showSetup(visit: Visit): Promise<Page> {
  await findCode(visit)
  return await setupPage(visit)
}

export async function setUp(visit: Visit): Promise<Answer> {
  const { options, form: typed, request } = visit
  const setupCode = await findCode(visit)
  const isRight = await options.accounts.checkSecret('setup', visit, () => setupCode.matches(typed.get('code') ?? ''))
  if (!isRight) {
    request.note = { reason: 'wrong setup code' }
    return await setupPage(
      visit,
      'That is not the code of this start, or its half hour is over. Start kss again for another one.',
    )
  }
  const found = await (typed.get('account') === 'new' ? create(visit) : findExisting(visit))
  if (typeof found === 'string') return await setupPage(visit, found)
  if (!(await setupCode.use(() => options.admin.setAdmin(found, true)))) throw noCode()
  await visit.signIn(found)
  return { redirect: '/admin?done=setup' }
}

/** The code, while there is no operator. */
async function findCode({ options }: Visit): Promise<SetupCode> {
  const setupCode = options.setupCode?.()
  if (setupCode?.isValid && !(await options.admin.hasOperator())) return setupCode
  throw noCode()
}

function noCode(): Refusal {
  const text = html`A start of kss prints a code for this page while no account is an operator’s; the code works once, for half an
hour. Where the server runs, <code>kss user admin NAME</code> makes an account an operator’s at any time.`
  return new Refusal(403, 'There is nothing to set up', text, 'there is no setup code')
}

/** The account, or the reason why it is refused. */
async function findExisting(visit: Visit): Promise<Account | string> {
  const { form: typed } = visit
  const account = await verifyPassword(visit, typed.get('username') ?? '', typed.get('password') ?? '')
  return account ?? 'The name or the password is wrong.'
}

/** A new account, or the reason why it is refused. The code allows it also while registration is closed. */
async function create(visit: Visit): Promise<Account | string> {
  const { form: typed, options } = visit
  const username = trimBlanks(typed.get('username') ?? '')
  const password = readNewPassword(typed)
  if ('error' in password) return password.error
  if (!isName(username)) return nameRule
  const isNew = await options.accounts.add({ username, key: password.key })
  if (!isNew) return 'This name is taken. If it is yours, use the first form.'
  return (await verifyPassword(visit, username, typed.get('new-password')!))!
}

async function setupPage(visit: Visit, error?: string): Promise<Page> {
  const { total } = await visit.options.admin.listUsers(undefined, 1)
  const username = visit.form.get('username') ?? ''
  const own = html`${field({ label: 'Password', name: 'password', type: 'password', autocomplete: 'current-password', maxlength: 1024 })}`
  const body = html`${error !== undefined && notice(error, 'alert')}
<p>The operator adds and removes accounts, makes backups and sees how the server is. The code is where kss was started: in
its terminal, or in <code>docker logs</code> or <code>journalctl</code>.</p>
${total > 0 && html`<h2>With an account that reads here already</h2>${setupForm(visit, 'existing', username, own)}`}
<h2>With a new account</h2>
<p>It is for reading too: the same name and password go into your reader.</p>
${setupForm(visit, 'new', username, newPasswordFields('Password'))}`
  return { title: 'Set up kss', body, ...(error !== undefined && { status: 401 }) }
}

function setupForm(visit: Visit, account: string, username: string, password: Html): Html {
  const code = visit.form.get('code') ?? ''
  return form(
    visit,
    '/setup',
    html`<input type="hidden" name="account" value="${account}">
${field({ label: 'Code', name: 'code', id: `${account}-code`, value: code })}
${field({ label: 'Name', name: 'username', id: `${account}-username`, value: username, autocomplete: 'username' })}
${password}
${button('Make this account the operator’s')}`,
  )
}
