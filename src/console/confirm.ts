import { button, field, form, html, notice } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'
import { verifyPassword } from './verify-password.ts'

const passwordName = 'password-again'

/** Whether the form has the right password. Throws as the log-in does. */
export async function isPasswordRight(visit: ReaderVisit): Promise<boolean> {
  const password = visit.form.get(passwordName)
  if (password === null) return false
  const account = await verifyPassword(visit, visit.user.username, password)
  return account?.id === visit.account.id
}

/** The form again, with its values and a field for the password. */
export function askPassword(visit: ReaderVisit): Page {
  const own = [...visit.form].filter(([key]) => key !== 'token' && key !== passwordName)
  const kept = own.map(([key, value]) => html`<input type="hidden" name="${key}" value="${value}" />`)
  const isWrong = visit.form.has(passwordName)
  const body = html`${isWrong && notice('That is not your password.', 'alert')}
    <p>Nothing was done yet. You signed in a while ago: what cannot be undone needs your password again.</p>
    ${form(
      visit,
      visit.path,
      html`${kept}
      ${field({ label: 'Your password', name: passwordName, type: 'password', autocomplete: 'current-password', maxlength: 1024 })}
      ${button('Go on')}`,
    )}`
  return { title: 'Type your password again', body, status: isWrong ? 401 : 403 }
}
