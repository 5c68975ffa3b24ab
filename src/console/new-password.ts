import { keyOfPassword } from '../kosync/credentials.ts'
import { field, html, type Html } from './page.ts'

/** The most characters of a password in the form. */
const maxLength = 1024

/** The fields for a new password. */
export function newPasswordFields(label: string): Html {
  const options = { type: 'password', autocomplete: 'new-password', maxlength: maxLength } as const
  return html`${field({ ...options, label, name: 'new-password' })}
  ${field({ ...options, label: 'The same again', name: 'new-password-again' })}`
}

/** The key of the password, or the reason why it is refused. */
export function readNewPassword(form: URLSearchParams): { key: string } | { error: string } {
  const [password, again] = [form.get('new-password') ?? '', form.get('new-password-again')]
  if (password === '') return { error: 'Type a password.' }
  if (password !== again) return { error: 'The two passwords are not the same.' }
  if (password.length > maxLength) return { error: `A password has at most ${maxLength} characters.` }
  return { key: keyOfPassword(password) }
}
