import { bookPath, bookTitle, documentOf, shortName } from '../console/names.ts'
import { button, field, form, html, notice, type Html, type Part } from '../console/page.ts'
import { Refusal } from '../console/refusal.ts'
import type { Answer, Page, ReaderVisit, Redirect } from '../console/route.ts'
import type { Progress } from '../kosync/protocol.ts'
import { isFailure } from './failure.ts'
import { isLikely } from './links.ts'
import { linkWords } from './link-words.ts'
import type { PageParts } from './pages.ts'
import { findItems } from './find-items.ts'

/** A candidate for the link of a book. */
interface Candidate {
  id: string
  title: string
  author: string
}

/** The page of a book's link and the candidates for another one. Only a search asks Audiobookshelf. */
export async function showBookLink(parts: PageParts, visit: ReaderVisit): Promise<Page> {
  return await pageOf(parts, visit, await recordOf(parts, visit))
}

export async function linkBook(parts: PageParts, visit: ReaderVisit): Promise<Answer> {
  const record = await recordOf(parts, visit)
  const item = (visit.form.get('item') ?? '').trim()
  try {
    await parts.operator.link(visit.account.username, record.document, item)
  } catch (error) {
    return { ...(await pageOf(parts, visit, record, notice((error as Error).message, 'alert'))), status: 400 }
  }
  return { redirect: '/audiobookshelf' }
}

export async function unlinkBook(parts: PageParts, visit: ReaderVisit): Promise<Redirect> {
  const { document } = await recordOf(parts, visit)
  await parts.operator.unlink(visit.account.username, document)
  return { redirect: '/audiobookshelf' }
}

/** Removes the link that was set by hand: the settings and the file decide again. */
export async function leaveBook({ bridge, ...parts }: PageParts, visit: ReaderVisit): Promise<Redirect> {
  const { document } = await recordOf({ bridge, ...parts }, visit)
  await bridge.linker.link(visit.account, document, undefined)
  return { redirect: '/audiobookshelf' }
}

async function recordOf({ bridge }: PageParts, { account, params }: ReaderVisit): Promise<Progress> {
  const record = await bridge.parts.store.getProgress(account, documentOf(params['id']!))
  if (record) return record
  throw new Refusal(404, 'There is no such book', 'It may have been removed.')
}

async function pageOf({ bridge }: PageParts, visit: ReaderVisit, record: Progress, above?: Part): Promise<Page> {
  const { links, library } = bridge.parts
  const { account } = visit
  const { document, metadata } = record
  const title = bookTitle(record)
  const link = await links.find(account, document)
  const isByHand = (await links.listByHand(account)).some(([own]) => own === document)
  const obstacle = link && (await links.obstacleOf(account, link.item))
  const items = await library.list(account)
  const wanted = visit.query.get('q')?.trim() ?? ''
  const found = wanted === '' ? [] : await findItems(bridge.parts, account, wanted)
  const likely = items.filter((item) => isLikely(item, document, title, metadata?.authors ?? ''))
  const path = `/audiobookshelf${bookPath(document)}`
  const body = html`${above}<p>This book is ${linkWords(link, obstacle)}.</p>
${link && form(visit, `${path}/unlink`, button('Do not link this book'))}
${isByHand && form(visit, `${path}/leave`, button('Let kss find what it is'))}
${!link && choices(visit, path, 'It may be', likely)}
<h2>Search in Audiobookshelf</h2>
<form method="get" action="${visit.base}${path}">
${field({ label: 'Title or author', name: 'q', value: wanted || title })}${button('Search')}</form>
${isFailure(found) ? notice(`Audiobookshelf ${found.text}.`, 'alert') : choices(visit, path, 'Found', found)}
${wanted !== '' && !isFailure(found) && found.length === 0 && html`<p>Nothing was found.</p>`}`
  return { title, body }
}

function choices(visit: ReaderVisit, path: string, heading: string, candidates: Candidate[]): Html | undefined {
  if (candidates.length === 0) return undefined
  const items = candidates.map(
    ({
      id,
      title,
      author,
    }) => html`<li><img src="${visit.base}/audiobookshelf/covers/${encodeURIComponent(id)}" alt="" width="40" loading="lazy"> ${shortName(title)}, ${shortName(author)}
${form(visit, `${path}/link`, html`<input type="hidden" name="item" value="${id}">${button('Link')}`)}</li>`,
  )
  return html`<h2>${heading}</h2><ul>${items}</ul>`
}
