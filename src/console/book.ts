import type { Progress } from '../kosync/protocol.ts'
import { findTwins, matchingMethod } from '../library/mismatches.ts'
import { changesOf } from '../library/restore.ts'
import { titleForm } from './book-forms.ts'
import { changesTable, undoNotice } from './book-changes.ts'
import { drawChart } from './chart.ts'
import { findBook } from './find-book.ts'
import { describeTwin } from './join-books.ts'
import { listRecords } from './list-records.ts'
import { bookPath, bookTitle, clip, readerName } from './names.ts'
import { html, name, notice, percentage, time, type Html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

/** Characters of a title that a page shows: a stranger's may be a megabyte. */
const mostShown = 2000

/** The most twins in the notice. */
const mostTwins = 10

/** The confirmations, by the word in the page's query. */
const outcomes = new Map([
  ['named', 'The title is saved.'],
  ['joined', 'The two are one book now.'],
])

/** The page of a book: its changes and its actions. */
export async function showBook(visit: ReaderVisit): Promise<Page> {
  const record = await findBook(visit)
  const { options, account, base } = visit
  const rows = changesOf(await options.store.listHistory(account, record.document), record)
  const twins = findTwins(await listRecords(visit), record).slice(0, mostTwins)
  const said = outcomes.get(visit.query.get('done') ?? '')
  const author = record.metadata?.authors ?? ''
  const path = bookPath(record.document)
  const body = html`${said !== undefined && notice(said)}
${undoNotice(visit, record, rows)}
${author !== '' && html`<p>${name(clip(author, mostShown))}</p>`}
<p>At ${percentage(record.percentage)} since ${time(record.timestamp)}, ${readerName(record)}.</p>
${twins.map((twin) => describeTwin(visit, record, twin))}
${drawChart(rows, options.now() / 1000, readerName)}
${changesTable(visit, record, rows)}
${titleForm(visit, record)}
<h2>How readers find it</h2>
${describeId(record)}
<h2>Remove it</h2>
<p><a href="${base}${path}/remove">Remove this book and its changes</a></p>`
  return { title: clip(bookTitle(record), mostShown), body }
}

function describeId(record: Progress): Html {
  return html`<p>Its id is <code>${name(record.document)}</code>. ${describeMethod(record)}</p>`
}

function describeMethod(record: Progress): Html {
  const method = matchingMethod(record)
  if (method === 'content') {
    return html`It was made of the file’s content: another reader finds the book when it has the very same file, and matches books by content (Binary).`
  }
  if (method === 'filename') {
    const file = name(clip(record.metadata!.filename!, mostShown))
    return html`It was made of the file’s name, ${file}: another reader finds the book when its file has this name, and it matches books by file name (Filename).`
  }
  return html`It was made of the file’s content or of its name. Which one, the reader does not tell.`
}
