import { createHash } from 'node:crypto'
import type { Progress } from '../kosync/protocol.ts'
import { changesOf, isRestored, restore } from '../library/restore.ts'
import { findBook } from './find-book.ts'
import { bookPath, readerName } from './names.ts'
import { form, html, percentage, time, type Html } from './page.ts'
import { Refusal } from './refusal.ts'
import type { ReaderVisit, Redirect } from './route.ts'

/** Changes per page. */
const pageSize = 50

/** The changes of a book, newest first, each with a button that restores it. */
export function changesTable(visit: ReaderVisit, record: Progress, rows: Progress[]): Html {
  const pages = Math.max(Math.ceil(rows.length / pageSize), 1)
  const asked = Number(visit.query.get('page') ?? 1)
  const page = Number.isSafeInteger(asked) ? Math.min(Math.max(asked, 1), pages) : 1
  const shown = rows.toReversed().slice((page - 1) * pageSize, page * pageSize)
  const path = bookPath(record.document)
  return html`<h2 id="changes">Changes</h2>
${form(
  visit,
  `${path}/back`,
  html`<table class="lines"><thead><tr><th scope="col">When</th><th scope="col" class="number">Progress</th><th scope="col">Reader</th><th scope="col"><span class="unseen">Go back</span></th></tr></thead>
<tbody>${shown.map((row) => changeLine(record, row))}</tbody></table>`,
)}
${pages > 1 && pageLinks(`${visit.base}${path}`, page, pages)}`
}

function changeLine(record: Progress, row: Progress): Html {
  return html`<tr><td>${time(row.timestamp)}</td><td class="number">${percentage(row.percentage)}</td><td>${readerName(row)}</td><td>${isSamePlace(row, record) ? 'Here now' : backButton(row)}</td></tr>
`
}

function backButton(row: Progress, words = 'Go back to'): Html {
  return html`<button name="row" value="${rowKey(row)}">${words} ${percentage(row.percentage)}<span class="unseen">, ${time(row.timestamp)}, ${readerName(row)}</span></button>`
}

function pageLinks(url: string, page: number, pages: number): Html {
  const link = (to: number, label: string): Html => html`<li><a href="${url}?page=${to}#changes">${label}</a></li>`
  return html`<nav aria-label="Pages of changes"><ul>${page > 1 && link(page - 1, 'Newer')}
<li><span>Page ${page} of ${pages}</span></li>${page < pages && link(page + 1, 'Older')}</ul></nav>`
}

/** The notice after a restore, with a button that undoes it. */
export function undoNotice(visit: ReaderVisit, record: Progress, rows: Progress[]): Html | undefined {
  const before = rows.at(-2)
  if (!before || !isRestored(record)) return undefined
  return html`<div class="notice" role="status"><p>The book is back at ${percentage(record.percentage)}. Each reader takes it at its next sync.</p>
${form(visit, `${bookPath(record.document)}/back`, html`<p>${backButton(before, 'Undo: go to')}</p>`)}</div>`
}

/** Restores an earlier position. */
export async function goBack(visit: ReaderVisit): Promise<Redirect> {
  const { options, account, form: said } = visit
  const record = await findBook(visit)
  const rows = await options.store.listHistory(account, record.document)
  const row = changesOf(rows, record).findLast((each) => rowKey(each) === said.get('row'))
  if (!row) {
    const text =
      'Nothing was done: the list of changes is shorter by now. Open the book again, and choose from what is there.'
    throw new Refusal(409, 'This position is gone', text)
  }
  await restore(options, account, { record, rows }, row, options.now())
  return { redirect: bookPath(record.document) }
}

/** The key of a history row in a form; two rows with one key are the same position. */
function rowKey({ timestamp, progress, percentage: part, device, device_id }: Progress): string {
  const text = JSON.stringify([timestamp, progress, part, device, device_id])
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}

function isSamePlace(one: Progress, other: Progress): boolean {
  return one.progress === other.progress && one.percentage === other.percentage
}
