import { findMismatches } from '../library/mismatches.ts'
import type { Progress } from '../kosync/protocol.ts'
import { listBooks, shelves, type BookPage, type BookQuery, type BookRow, type Shelf } from './book-list.ts'
import { listRecords } from './list-records.ts'
import { bookPath, readerName, shortName } from './names.ts'
import { html, name, notice, percentage, time, type Html, type Part } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

/** The list of the account's books. */
export async function showBooks(visit: ReaderVisit): Promise<Page> {
  const records = await listRecords(visit)
  const isRemoved = visit.query.get('done') === 'removed' && notice('The book is removed.')
  if (records.length === 0) return { title: 'Books', body: html`${isRemoved}${welcome(visit)}` }
  const query = queryOf(visit.query)
  const found = listBooks(records, query)
  const body = html`${isRemoved}${searchForm(visit, query)}
${shelfLinks(visit, query, found)}
${found.rows.length > 0 ? bookTable(visit, found.rows, methodsOf(records)) : nothing(visit, query)}
${pageLinks(visit, query, found)}`
  return { title: 'Books', body }
}

function welcome({ base }: ReaderVisit): Html {
  return html`<p>No books yet. Open one on your reader, and sync. <a href="${base}/help">How to set up a reader</a></p>`
}

/** The most characters of a search. */
const longestSearch = 200

function queryOf(query: URLSearchParams): BookQuery {
  const shelf = shelves.find((each) => each === query.get('shelf')) ?? 'all'
  const page = Number(query.get('page') ?? 1)
  const search = (query.get('q') ?? '').slice(0, longestSearch)
  return { search, shelf, page: Number.isSafeInteger(page) ? page : 1 }
}

/** The URL of the list, without default values. */
function urlOf({ base }: ReaderVisit, { search, shelf, page }: BookQuery): string {
  const query = new URLSearchParams({
    ...(search !== '' && { q: search }),
    ...(shelf !== 'all' && { shelf }),
    ...(page > 1 && { page: `${page}` }),
  })
  return `${base}/books${query.size > 0 ? `?${query.toString()}` : ''}`
}

function searchForm({ base }: ReaderVisit, { search, shelf }: BookQuery): Html {
  return html`<form method="get" action="${base}/books" role="search" class="row">
<label for="q" class="unseen">Title, author or file name</label>
<input id="q" name="q" type="search" value="${search}" maxlength="${longestSearch}" placeholder="Title or author" autocomplete="off">
${shelf !== 'all' && html`<input type="hidden" name="shelf" value="${shelf}">`}
<button type="submit">Search</button>
</form>`
}

const labels: Record<Shelf, string> = { all: 'All', reading: 'Reading', finished: 'Finished' }

function shelfLinks(visit: ReaderVisit, query: BookQuery, { counts }: BookPage): Html {
  const links = shelves.map((shelf) => {
    const isHere = shelf === query.shelf && html` aria-current="true"`
    const url = urlOf(visit, { ...query, shelf, page: 1 })
    return html`<li><a href="${url}"${isHere}>${labels[shelf]} ${counts[shelf]}</a></li>`
  })
  return html`<nav aria-label="Shelves"><ul>${links}</ul></nav>`
}

function nothing(visit: ReaderVisit, query: BookQuery): Html {
  const all = html`<a href="${urlOf(visit, { search: '', shelf: 'all', page: 1 })}">Show all books</a>`
  if (query.search.trim() !== '')
    return html`<p>No book here has ${name(query.search)} in its title, author or file name. ${all}</p>`
  const what = query.shelf === 'finished' ? 'No book is finished yet: 98 % is enough.' : 'All books are finished.'
  return html`<p>${what} ${all}</p>`
}

/** The most mismatches that are marked: only a forged account has more. */
const mostTold = 200

/** The marks of books with two ids, by document. */
function methodsOf(records: Progress[]): Map<string, string> {
  const methods = new Map<string, string>()
  for (const { byContent, byFileName } of findMismatches(records)) {
    methods
      .set(byContent.document, 'twice here: this one by content')
      .set(byFileName.document, 'twice here: this one by file name')
    if (methods.size >= mostTold) break
  }
  return methods
}

function bookTable({ base }: ReaderVisit, rows: BookRow[], methods: Map<string, string>): Html {
  const lines = rows.map(({ record, title, author }) => {
    const { document, percentage: part, timestamp } = record
    const more: Part[] = [author !== '' && shortName(author), methods.get(document)].filter(Boolean)
    const second =
      more.length > 0 && html`<br><small>${more.map((each, at) => html`${at > 0 && ' · '}${each}`)}</small>`
    return html`<tr><th scope="row"><a href="${base}${bookPath(document)}">${shortName(title)}</a>${second}</th>
<td class="number">${percentage(part)}</td><td>${time(timestamp)}<br><small>${readerName(record)}</small></td></tr>
`
  })
  return html`<table class="lines"><thead><tr><th scope="col">Book</th><th scope="col" class="number">Progress</th><th scope="col">Last read</th></tr></thead>
<tbody>${lines}</tbody></table>`
}

function pageLinks(visit: ReaderVisit, query: BookQuery, { page, pages }: BookPage): Html | undefined {
  if (pages === 1) return undefined
  const link = (to: number, label: string): Html =>
    html`<li><a href="${urlOf(visit, { ...query, page: to })}">${label}</a></li>`
  return html`<nav aria-label="Pages"><ul>${page > 1 && link(page - 1, 'Newer')}
<li><span>Page ${page} of ${pages}</span></li>${page < pages && link(page + 1, 'Older')}</ul></nav>`
}
