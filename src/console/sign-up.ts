import { trimBlanks } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { username as nameSchema } from '../kosync/protocol.ts'
import { newPasswordFields, readNewPassword } from './new-password.ts'
import { button, field, form, html, notice } from './page.ts'
import { Refusal } from './refusal.ts'
import type { Answer, Page, Visit } from './route.ts'
import { verifyPassword } from './verify-password.ts'

/** The rule of isName, in words. */
export const nameRule = 'A name has 1 to 255 characters, no colon and no control characters.'

const namePattern = new RegExp(nameSchema.pattern, 'u')

/** The form for a new account. */
export async function showSignUp(visit: Visit): Promise<Page> {
  if ((await visit.options.accounts.registration()) === 'closed') throw closed()
  return signUpPage(visit, '')
}

export async function signUp(visit: Visit): Promise<Answer> {
  const username = trimBlanks(visit.form.get('username') ?? '')
  visit.request.note = { user: username }
  const typed = readNewPassword(visit.form)
  if ('error' in typed) return signUpPage(visit, username, typed.error)
  if (!isName(username)) {
    return signUpPage(visit, username, nameRule)
  }
  try {
    await visit.options.accounts.register({ username, key: typed.key }, { ip: visit.ip })
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    if (error.error === 'registrationDisabled') throw closed()
    if (error.error !== 'userExists') throw error
    return signUpPage(visit, username, 'This name is taken. Choose another one.')
  }
  await visit.signIn((await verifyPassword(visit, username, visit.form.get('new-password')!))!)
  return { redirect: '/books' }
}

/** Whether readers can send the name. */
export function isName(username: string): boolean {
  return username.length <= nameSchema.maxLength && namePattern.test(username)
}

function closed(): Refusal {
  const text = 'Ask whoever runs this server to invite you, and tell which name you want.'
  return new Refusal(403, 'You cannot sign up now', text, 'registration is closed')
}

function signUpPage(visit: Visit, username: string, error?: string): Page {
  const body = html`${error !== undefined && notice(error, 'alert')}
    <p>The name and the password are those that you type on your reader afterwards, under “Log in”.</p>
    ${form(
      visit,
      '/sign-up',
      html`${field({ label: 'Name', name: 'username', value: username, autocomplete: 'username' })}
      ${newPasswordFields('Password')} ${button('Sign up')}`,
    )}`
  return { title: 'Sign up', body, ...(error !== undefined && { status: 400 }) }
}
