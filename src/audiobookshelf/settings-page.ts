import { shortName } from '../console/names.ts'
import { button, field, form, html, name, notice, time, type Html, type Part } from '../console/page.ts'
import type { Answer, Page, ReaderVisit } from '../console/route.ts'
import type { PageParts } from './pages.ts'
import { onlyEnvironment, type ShownSetting } from './settings-editor.ts'
import { variables, type Variable } from './settings.ts'

/** The settings on the page, with their labels. Users' keys have a form of their own. */
const editable = new Map<Variable, string>([
  ['AUDIOBOOKSHELF_BASE_URL', 'Address'],
  ['AUDIOBOOKSHELF_API_KEY', 'Key for users without one'],
  ['AUDIOBOOKSHELF_DEVICE_NAME', 'Name as a reader'],
  ['AUDIOBOOKSHELF_HTTP_TIMEOUT', 'Milliseconds for one request'],
  ['AUDIOBOOKSHELF_DOCUMENT_MAP', 'Items by document'],
])

/** The page of the settings and their sources, without secrets. */
export function showBridgeSettings(parts: PageParts, visit: ReaderVisit): Page {
  return pageOf(parts, visit)
}

/** An empty value leaves the setting to the environment. */
export async function changeSetting(parts: PageParts, visit: ReaderVisit): Promise<Answer> {
  const setting = (visit.form.get('name') ?? '') as Variable
  const value = (visit.form.get('value') ?? '').trim()
  if (!editable.has(setting)) return pageOf(parts, visit, notice('There is no such setting.', 'alert'), 400)
  const wrong = await parts.editor.change({ [setting]: value === '' ? undefined : value })
  return outcome(parts, visit, setting, wrong)
}

export async function setKey(parts: PageParts, visit: ReaderVisit): Promise<Answer> {
  const username = (visit.form.get('username') ?? '').trim()
  if (!(await visit.options.store.getUser(username)))
    return pageOf(parts, visit, notice(html`There is no user ${name(username)}.`, 'alert'), 400)
  const wrong = await parts.editor.setKey(username, (visit.form.get('key') ?? '').trim())
  return outcome(parts, visit, `AUDIOBOOKSHELF_USER_MAP of ${username}`, wrong)
}

/** Tests the connection of a user, one line for each step. */
export async function testConnection(parts: PageParts, visit: ReaderVisit): Promise<Page> {
  try {
    const { lines, ok } = await parts.operator.test((visit.form.get('username') ?? '').trim())
    const items = lines.map((line) => html`<li>${line}</li>`)
    return pageOf(parts, visit, notice(html`<ul>${items}</ul>`, ok ? 'status' : 'alert'))
  } catch (error) {
    return pageOf(parts, visit, notice((error as Error).message, 'alert'), 400)
  }
}

/** `setting`: the name for the log; never the value. */
function outcome(parts: PageParts, visit: ReaderVisit, setting: string, wrong: string | undefined): Answer {
  if (wrong !== undefined) return pageOf(parts, visit, notice(wrong, 'alert'), 400)
  parts.bridge.parts.tell(visit.account, { what: 'setting changed', why: setting })
  return { redirect: '/audiobookshelf/settings' }
}

function pageOf({ editor }: PageParts, visit: ReaderVisit, above?: Part, status = 200): Page {
  const shown = editor.list()
  const rows = shown.map(
    (
      each,
    ) => html`<tr><th scope="row"><code>${each.name}</code></th><td data-label="Value">${shortName(each.value || '–')}${dated(each.date)}</td>
<td data-label="From">${each.value === '' ? '–' : each.source}</td></tr>`,
  )
  const keys = editor
    .listKeys()
    .map(({ username, key, date }) => html`<li>${name(username)}: ${key}${dated(date)}</li>`)
  const body = html`${above}<table><thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">From</th></tr></thead>
<tbody>${rows}</tbody></table>
<h2>Keys of users</h2><ul>${keys}</ul>
${!editor.isReadOnly && keyForms(visit)}
<h2>Test a connection</h2>
${form(visit, '/audiobookshelf/settings/test', html`${field({ label: 'User', name: 'username', id: 'test-user' })}${button('Test')}`)}
${editor.isReadOnly ? html`<p>${onlyEnvironment}</p>` : changeForms(visit, shown)}`
  return { title: 'Audiobookshelf settings', body, status }
}

function keyForms(visit: ReaderVisit): Html {
  return html`${form(
    visit,
    '/audiobookshelf/settings/key',
    html`${field({ label: 'User', name: 'username', id: 'key-user' })}
${field({ label: 'API key', name: 'key', type: 'password', maxlength: 4096 })}${button('Set the key')}`,
  )}
<h2>Take a key away</h2>
${form(visit, '/audiobookshelf/settings/key', html`${field({ label: 'User', name: 'username', id: 'no-key-user' })}${button('Take the key away')}`)}`
}

function changeForms(visit: ReaderVisit, shown: ShownSetting[]): Html {
  return html`<h2>Change a setting</h2><p>It is in force at once, and wins over the environment; a reset leaves it to that.</p>
${[...editable].map(([setting, label]) => editForm(visit, setting, label, shown.find((each) => each.name === setting)?.source === 'console'))}`
}

function dated(date: number | undefined): Part {
  return date === undefined ? undefined : html`, ${time(date)}`
}

function editForm(visit: ReaderVisit, setting: Variable, label: string, isOwn: boolean): Html {
  const hidden = html`<input type="hidden" name="name" value="${setting}">`
  const type = setting === 'AUDIOBOOKSHELF_API_KEY' ? 'password' : 'text'
  return html`${form(
    visit,
    '/audiobookshelf/settings',
    html`${hidden}${field({ label: `${label}: ${variables[setting]}`, name: 'value', id: setting, type, maxlength: 100_000 })}
${button(`Change: ${label}`)}`,
  )}${isOwn && form(visit, '/audiobookshelf/settings', html`${hidden}${button(`Reset: ${label}`)}`)}`
}
