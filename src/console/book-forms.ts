import type { Progress } from '../kosync/protocol.ts'
import { findBook } from './find-book.ts'
import { bookName, bookPath, bookTitle, clip } from './names.ts'
import { button, form, html, type Html } from './page.ts'
import type { Page, ReaderVisit, Redirect } from './route.ts'

/** The most characters of a title in the form. */
const longestTitle = 500

/** The form for the title of a book. */
export function titleForm(visit: ReaderVisit, { document, title = '' }: Progress): Html {
  return html`<h2>Title</h2>
${form(
  visit,
  `${bookPath(document)}/title`,
  html`<p><label for="title">Title in these pages</label>
<input id="title" name="title" type="text" value="${title}" maxlength="${longestTitle}" autocomplete="off"></p>
<p><small>Your readers keep theirs. Leave it empty for the title that the reader sends.</small></p>
${button('Save the title')}`,
)}`
}

/** Sets the title of a book; an empty one removes it. */
export async function nameBook(visit: ReaderVisit): Promise<Redirect> {
  const { options, account, form: said } = visit
  const { document } = await findBook(visit)
  await options.admin.putTitle(account, document, clip((said.get('title') ?? '').trim(), longestTitle))
  return { redirect: `${bookPath(document)}?done=named` }
}

/** The page that asks before a book is removed. */
export async function showRemoval(visit: ReaderVisit): Promise<Page> {
  const record = await findBook(visit)
  const { options, account, base } = visit
  const { length } = await options.store.listHistory(account, record.document)
  const path = bookPath(record.document)
  const body = html`<p>${bookName(record)} goes with ${length === 1 ? 'its one change' : `its ${length} changes`}. Nobody can bring that back.</p>
<p>The file on your reader stays. When you read on, the book is here again from that day on.</p>
${form(visit, `${path}/remove`, button('Remove it for good'))}
<p><a href="${base}${path}">Keep it</a></p>`
  return { title: `Remove ${clip(bookTitle(record), mostShown)}?`, body }
}

/** Characters of a title in a question. */
const mostShown = 200

/** Removes a book. */
export async function removeBook(visit: ReaderVisit): Promise<Redirect> {
  const { document } = await findBook(visit)
  await visit.options.admin.deleteProgress(visit.account, document)
  return { redirect: '/books?done=removed' }
}
