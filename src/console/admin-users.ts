import { adminPage } from './admin-page.ts'
import { html, name, notice, time, type Part } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'
import { table, type Column } from './table.ts'
import { count, formatBytes } from './units.ts'
import { eachPage } from '../store/pages.ts'
import type { AccountSummary, User } from '../store/store.ts'

const pageSize = 50

interface Listed {
  accounts: AccountSummary[]
  damaged: string[]
  /** The notice above the list. */
  total: string
  next?: string
}

/** The list of all accounts, in pages, or of the results of a search. */
export async function showUsers(visit: ReaderVisit): Promise<Page> {
  const { base, query, options } = visit
  const search = (query.get('q') ?? '').trim()
  const { accounts, damaged, total, next } = search === '' ? await listPage(visit) : await find(visit, search)
  const rows = await Promise.all(
    accounts.map(async (summary) => {
      const user = await Promise.resolve(options.store.getUser(summary.account.username)).catch(() => undefined)
      return rowOf(base, summary, user?.admin === true)
    }),
  )
  const body = html`${damaged.map((line) => notice(line, 'alert'))}
    <form method="get" action="${base}/admin/users" role="search">
      <label for="q">Search by name</label>
      <p class="row">
        <input id="q" name="q" type="search" value="${search}" maxlength="255" autocapitalize="none" />
        <button type="submit">Search</button>
      </p>
    </form>
    <p>${total} <a href="${base}/admin/users/add">Add one</a></p>
    ${rows.length > 0 && table(columns, rows)}
    ${next !== undefined && html`<p><a href="${base}/admin/users?after=${encodeURIComponent(next)}">The next ones</a></p>`}`
  return adminPage(visit, 'Users', body)
}

async function listPage({ query, options }: ReaderVisit): Promise<Listed> {
  const page = await options.admin.listAccounts(query.get('after') ?? undefined, pageSize)
  return { ...page, total: `${count(page.total, 'account')} in all.` }
}

/** The first accounts whose names contain the text, in order. */
async function find({ options: { admin } }: ReaderVisit, search: string): Promise<Listed> {
  const wanted = search.toLowerCase()
  const found: User[] = []
  for await (const { users } of eachPage((cursor) => admin.listUsers(cursor))) {
    found.push(...users.filter(({ username }) => username.toLowerCase().includes(wanted)))
  }
  const damaged: string[] = []
  const summaries = found.slice(0, pageSize).map(async ({ account }) => {
    try {
      return await admin.getSummary(account)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      // The account was removed while the list was read.
      if (code !== 'STALE_ACCOUNT') damaged.push(message)
      return undefined
    }
  })
  const accounts = (await Promise.all(summaries)).filter((summary) => summary !== undefined)
  const more = found.length > pageSize ? ` The first ${pageSize} are shown.` : ''
  return { accounts, damaged, total: `${count(found.length, 'account')} found.${more}` }
}

const columns: Column[] = [
  ['Name', 'name'],
  ['Books', 'number'],
  ['Readers', 'number'],
  ['Last sync'],
  ['Size', 'number'],
  ['Remarks', 'plain'],
]

function rowOf(base: string, summary: AccountSummary, isOperator: boolean): Part[] {
  const { account, documents, devices, lastSync, bytes, disabled, problems } = summary
  const remarks = [
    ...(isOperator ? ['operator'] : []),
    ...(disabled ? ['disabled'] : []),
    ...(problems.length > 0 ? ['damaged: run the check'] : []),
  ]
  return [
    html`<a href="${userPath(base, account.username)}">${name(account.username)}</a>`,
    documents,
    devices,
    lastSync === undefined ? 'never' : time(lastSync),
    formatBytes(bytes),
    remarks.join(', ') || '–',
  ]
}

/** The URL of an account's page. The name is in the query, since it may be `..`. */
export function userPath(base: string, username: string, done?: string): string {
  const more = done === undefined ? '' : `&done=${done}`
  return `${base}/admin/user?name=${encodeURIComponent(username)}${more}`
}
