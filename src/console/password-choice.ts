import { randomPassword } from '../accounts/random-password.ts'
import { keyOfPassword } from '../kosync/credentials.ts'
import { html, name, type Html } from './page.ts'

const maxLength = 1024

/** A field for another account's password: visible, so that the operator can hand it on. */
export function passwordChoice(): Html {
  return html`<p>
    <label for="password">Password</label>
    <input id="password" name="password" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="${maxLength}" aria-describedby="password-hint" />
    <br /><small id="password-hint">Leave it empty, and kss makes one up and shows it once.</small>
  </p>`
}

export interface ChosenPassword {
  key: string
  /** Set if kss generated the password. */
  password?: string
}

/** The typed password, or a generated one; or the reason why it is refused. */
export function readPasswordChoice(form: URLSearchParams): ChosenPassword | { error: string } {
  const typed = form.get('password') ?? ''
  if (typed.length > maxLength) return { error: `A password has at most ${maxLength} characters.` }
  if (typed !== '') return { key: keyOfPassword(typed) }
  const password = randomPassword()
  return { key: keyOfPassword(password), password }
}

/** Shows a generated password, once. */
export function showPassword(username: string, password: string): Html {
  return html`<dl>
      <dt>Name</dt>
      <dd><code>${name(username)}</code></dd>
      <dt>Password</dt>
      <dd><code>${password}</code></dd>
    </dl>
    <p>Hand it on now: it is shown this once, and kept nowhere.</p>`
}
