import type { Progress } from '../kosync/protocol.ts'
import { findMismatches, type Mismatch } from '../library/mismatches.ts'
import { isRestored } from '../library/restore.ts'
import { findBook, findRecord } from './find-book.ts'
import { bookName, bookPath, documentOf, readerName } from './names.ts'
import { form, html, percentage, time, type Html } from './page.ts'
import { Refusal } from './refusal.ts'
import type { Page, ReaderVisit, Redirect } from './route.ts'

/** The notice about a book with two ids: the reason and the cure. */
export function describeTwin(visit: ReaderVisit, record: Progress, twin: Progress): Html {
  const mismatch = mismatchOf(record, twin)
  if (mismatch)
    return html`<div class="notice"><p>This book is here twice. ${describeMismatch(visit, mismatch)}</p></div>`
  const { percentage: part, timestamp } = twin
  const there = html`<a href="${visit.base}${bookPath(twin.document)}">Another book</a>`
  return html`<div class="notice"><p>${there} has the same title: ${percentage(part)}, ${time(timestamp)}, ${readerName(twin)}. If both are one book, ${joinLink(visit, record, twin)}.</p></div>`
}

/** Why two readers do not see each other's position in a book, and the cure. */
export function describeMismatch(visit: ReaderVisit, { byContent, byFileName }: Mismatch): Html {
  const cure = html`On each reader, set <strong>Progress sync, Document matching method</strong> the same. Then ${joinLink(visit, byContent, byFileName)}.`
  if (byContent.device === byFileName.device) {
    return html`${readerOf(byContent, 'One reader')} matched it by content (Binary), and at another time by file name (Filename). ${cure}`
  }
  return html`${readerOf(byContent, 'One reader')} matches books by content (Binary), ${readerOf(byFileName, 'one reader')} by file name (Filename): neither sees where the other one is. ${cure}`
}

/** The reader that pushed the record last; undefined for a restore. */
function readerOf(record: Progress, other: string): Html {
  return isRestored(record) ? html`${other}` : readerName(record)
}

function mismatchOf(record: Progress, twin: Progress): Mismatch | undefined {
  return findMismatches([record, twin]).next().value ?? undefined
}

function joinLink({ base }: ReaderVisit, record: Progress, twin: Progress): Html {
  return html`<a href="${base}${bookPath(record.document)}/join?with=${keyOf(twin)}">join the two</a>`
}

/** The id of a book in a URL or a form. */
function keyOf({ document }: Progress): string {
  return bookPath(document).slice('/books/'.length)
}

/** The page that asks before two ids become one book. */
export async function showJoin(visit: ReaderVisit): Promise<Page> {
  const record = await findBook(visit)
  const twin = await findTwin(visit, visit.query.get('with'))
  if (twin.document === record.document) throw nothingToJoin()
  const mismatch = mismatchOf(record, twin)
  const newer = twin.timestamp > record.timestamp ? twin : record
  const content = html`<input type="hidden" name="with" value="${keyOf(twin)}">
${mismatch ? methodButtons(mismatch) : html`<p>${keepButton(newer, 'Join them')}</p>`}`
  const path = bookPath(record.document)
  const body = html`<ul>${[record, twin].map(describe)}</ul>
<p>They become one book with the changes of both. It is where the newer one is. Nobody can take them apart again.</p>
${form(visit, `${path}/join`, content)}
<p><a href="${visit.base}${path}">Leave them as they are</a></p>`
  return { title: 'Join two books?', body }
}

function describe(record: Progress): Html {
  const { percentage: part, timestamp } = record
  return html`<li>${bookName(record)}: ${percentage(part)}, ${time(timestamp)}, ${readerName(record)}</li>`
}

/** The id that stays must be the one that the readers make from now on. */
function methodButtons({ byContent, byFileName }: Mismatch): Html {
  return html`<p>How do all your readers match books from now on?</p>
<p class="row">${keepButton(byContent, 'By content (Binary)')} ${keepButton(byFileName, 'By file name (Filename)')}</p>`
}

function keepButton(record: Progress, label: string): Html {
  return html`<button name="keep" value="${keyOf(record)}">${label}</button>`
}

/** Merges one id of a book into the other. */
export async function joinBooks(visit: ReaderVisit): Promise<Redirect> {
  const record = await findBook(visit)
  const twin = await findTwin(visit, visit.form.get('with'))
  const [into, from] = visit.form.get('keep') === keyOf(twin) ? [twin, record] : [record, twin]
  if (!(await visit.options.admin.mergeDocuments(visit.account, from.document, into.document))) {
    throw nothingToJoin()
  }
  return { redirect: `${bookPath(into.document)}?done=joined` }
}

function nothingToJoin(): Refusal {
  const text = 'Nothing was done: these two are one book already. Open the book again.'
  return new Refusal(409, 'There is nothing to join', text)
}

async function findTwin(visit: ReaderVisit, key: string | null): Promise<Progress> {
  return await findRecord(visit, documentOf(key ?? ''))
}
