import { isLoopback } from '../client-address.ts'
import { readerAddresses } from './addresses.ts'
import { button, field, form, html, notice, type Html, type Part } from './page.ts'
import type { Answer, Page, ReaderVisit, Redirect, Visit } from './route.ts'
import { verifyPassword } from './verify-password.ts'

const firstPage = '/books'

/** The confirmations of actions that ended the session. */
const outcomes = new Map([
  ['password', 'Your password is changed. Sign in with the new one here, and log in with it on each reader.'],
  ['everywhere', 'You are signed out everywhere. Readers are still logged in.'],
  ['deleted', 'Your account is deleted.'],
])

/** The first page: what kss is, the settings of a reader, and the form to sign in. */
export async function showFront(visit: Visit): Promise<Answer> {
  if (visit.isSignedIn) return { redirect: firstPage }
  return await frontPage(visit, {})
}

export async function signIn(visit: Visit): Promise<Answer> {
  const { form: typed } = visit
  const username = typed.get('username') ?? ''
  const account = await verifyPassword(visit, username, typed.get('password') ?? '')
  if (!account) return await frontPage(visit, { username, error: 'The name or the password is wrong.' })
  await visit.signIn(account)
  return { redirect: nextOf(typed) }
}

export async function signOut(visit: ReaderVisit): Promise<Redirect> {
  await visit.signOut()
  return { redirect: '/' }
}

interface Typed {
  username?: string
  error?: string
}

async function frontPage(visit: Visit, { username = '', error }: Typed): Promise<Page> {
  const { base, form: typed, query, options } = visit
  const next = nextOf(error === undefined ? query : typed)
  const registration = await options.accounts.registration()
  const news = error === undefined ? outcomes.get(query.get('done') ?? '') : undefined
  const body = html`${error !== undefined && notice(error, 'alert')}${news !== undefined && notice(news)}
    <p>kss keeps your place in your books across your readers.</p>
    <h2>Sign in</h2>
    <p>With the name and the password that you use on your reader.</p>
    ${form(
      visit,
      '/sign-in',
      html`<input type="hidden" name="next" value="${next}" />
        ${field({ label: 'Name', name: 'username', value: username, autocomplete: 'username' })}
        ${field({ label: 'Password', name: 'password', type: 'password', autocomplete: 'current-password', maxlength: 1024 })}
        ${button('Sign in')}`,
    )}
    ${warning(visit)}
    <h2>On your reader</h2>
    ${whatToType(visit)} ${signUpHint(registration, base)}`
  return { title: 'kss', body, ...(error !== undefined && { status: 401 }) }
}

/** The path of the page after the log-in, with its query as URLSearchParams writes it. */
function nextOf(said: URLSearchParams): string {
  const next = said.get('next') ?? ''
  return /^\/[a-z]+(\/[\w%.~-]*)*(\?[\w%.*+=&-]*)?$/.test(next) ? next : firstPage
}

/** The warning for plain http from another machine: others in the network can read the password. */
function warning({ isHttps, ip }: Visit): Part {
  if (isHttps || isLoopback(ip)) return undefined
  return html`<p>
    This connection is not encrypted: in a network that you do not trust, others can read your password.
  </p>`
}

function whatToType(visit: Visit): Html {
  const lines = readerAddresses(visit).map((address) => html`<li><code>${address}</code></li>`)
  return html`<p>In KOReader, open a book, then Tools &gt; Progress sync &gt; Custom sync server, and type:</p>
    <ul>
      ${lines}
    </ul>`
}

function signUpHint(registration: 'open' | 'invited' | 'closed', base: string): Html {
  if (registration === 'open')
    return html`<p>No account yet? <a href="${base}/sign-up">Sign up</a>, here or on the reader.</p>`
  if (registration === 'invited') {
    return html`<p>
      Were you invited? <a href="${base}/sign-up">Sign up</a> with the name that you were given, here or on the reader.
    </p>`
  }
  return html`<p>Nobody can sign up now. Ask whoever runs this server to invite you.</p>`
}
