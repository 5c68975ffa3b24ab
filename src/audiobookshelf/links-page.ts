import type { Progress } from '../kosync/protocol.ts'
import { bookName, bookPath, bookTitle, shortName } from '../console/names.ts'
import { button, form, html, notice, percentage, time, type Html } from '../console/page.ts'
import type { Page, ReaderVisit, Redirect } from '../console/route.ts'
import { dataNames } from './bridge-storage.ts'
import { listRecords } from '../console/list-records.ts'
import { linkWords } from './link-words.ts'
import type { LibraryItem } from './library.ts'
import { isLikely } from './links.ts'
import type { Method } from './mapping.ts'
import type { PageParts } from './pages.ts'
import type { BridgeEvent, ItemState } from './parts.ts'

/** Books per page, the latest read first. */
const mostShown = 100

/** Events per page. */
const mostEvents = 20

/** The methods that map a listener's time to a place in the book, in words. */
const methods: Record<Method, string> = {
  chapters: 'by chapters',
  proportional: '≈ by the percentage of the time',
  'ebook only': 'ebook only',
}

/** The page of an account's books, their links, and waiting positions. Sends no request to Audiobookshelf. */
export async function showLinks({ bridge, operator }: PageParts, visit: ReaderVisit): Promise<Page> {
  const { access, library, now } = bridge.parts
  const { account, base, isOperator } = visit
  const settings = isOperator && html`<p><a href="${base}/audiobookshelf/settings">Settings</a></p>`
  const key = await access.keyOf(account)
  if (!key) {
    const text = 'You have no key of Audiobookshelf yet: whoever runs this server can set one.'
    return { title: 'Audiobookshelf', body: html`<p>${text}</p>${settings}` }
  }
  const items = await library.list(account)
  const records = (await listRecords(visit)).toSorted((one, other) => other.timestamp - one.timestamp)
  const from = Math.max(Number.parseInt(visit.query.get('from') ?? '', 10) || 0, 0)
  const rows: Html[] = []
  for (const record of records.slice(from, from + mostShown))
    rows.push(await lineOf({ bridge, visit, items, titles: new Map(items.map((item) => [item.id, item])) }, record))
  const { trouble, waiting } = await operator.status()
  const waits = waiting.filter(({ username }) => username === account.username).length
  const isRefused = now() < access.refusedUntil(key)
  const isLooking = visit.query.get('done') === 'look'
  const body = html`${isLooking && notice('kss is looking. Open this page again in a moment.')}${trouble && notice(html`Audiobookshelf ${trouble.text}, since ${time(trouble.since)}. Yours to be sent: ${waits}.`, 'alert')}
${isRefused && notice('Audiobookshelf refused your key: whoever runs this server can set another one.', 'alert')}
${rows.length === 0 ? html`<p>No reader has synced a book yet.</p>` : tableOf(rows)}
${records.length > from + mostShown && html`<p><a href="${base}/audiobookshelf?from=${from + mostShown}">Earlier books</a></p>`}
${form(visit, '/audiobookshelf/look', button('Look now which books are there'))}
${eventList(await bridge.listEvents(account))}${settings}`
  return { title: 'Audiobookshelf', body }
}

/** Reads the library, which may take a while, and sends waiting positions again. */
export async function lookNow({ bridge }: PageParts, { account }: ReaderVisit): Promise<Redirect> {
  const key = await bridge.parts.access.keyOf(account)
  if (key) bridge.linker.refresh(account, key).catch(bridge.parts.onFailure)
  await bridge.retry()
  return { redirect: '/audiobookshelf?done=look' }
}

interface LineFacts {
  bridge: PageParts['bridge']
  visit: ReaderVisit
  items: LibraryItem[]
  titles: Map<string, LibraryItem>
}

async function lineOf({ bridge, visit, items, titles }: LineFacts, record: Progress): Promise<Html> {
  const { links, data, outbox } = bridge.parts
  const { account, base } = visit
  const { document, metadata } = record
  const link = await links.find(account, document)
  const obstacle = link && (await links.obstacleOf(account, link.item))
  const likely = link
    ? undefined
    : items.find((item) => isLikely(item, document, bookTitle(record), metadata?.authors ?? ''))
  const state = link && (await data.get<ItemState>(account, dataNames.item(link.item)))
  const isWaiting = await outbox.isWaiting(account, document)
  const name = link && titles.get(link.item)?.title
  return html`<tr><th scope="row"><a href="${base}/audiobookshelf${bookPath(document)}">${bookName(record)}</a></th>
<td data-label="Reader">${percentage(record.percentage)}, ${time(record.timestamp)}</td>
<td data-label="Audiobookshelf">${linkWords(link, obstacle)}${name !== undefined && html`: ${shortName(name)}`}
${likely && html`<br><small>Is it ${shortName(likely.title)}?</small>`}
${state?.seen && html`<br><small>Listener: ${clock(state.seen.currentTime)}, ebook ${percentage(state.seen.ebookProgress)}</small>`}
${state?.shown && html`<br><small>${[state.shown.chapter, methods[state.shown.method]].filter(Boolean).join(', ')}, ${time(Math.floor(state.shown.changed / 1000))}</small>`}
${state?.held && html`<br><small>Held: the reader may have an old page. It goes when you read on.</small>`}
${isWaiting && html`<br><small>Waits to be sent</small>`}</td></tr>
`
}

function tableOf(rows: Html[]): Html {
  return html`<table><thead><tr><th scope="col">Book</th><th scope="col">Reader</th><th scope="col">Audiobookshelf</th></tr></thead>
<tbody>${rows}</tbody></table>`
}

function eventList(events: (BridgeEvent & { time: number })[]): Html | undefined {
  if (events.length === 0) return undefined
  const items = events
    .slice(-mostEvents)
    .toReversed()
    .map(({ time: at, what, why = '', document = '', reader = '', listener = '' }) => {
      const places = [reader && `reader at ${reader}`, listener && `listener at ${listener}`].filter(Boolean).join(', ')
      return html`<li>${time(at)}: ${[what, why, places].filter(Boolean).join(' · ')} <small>${shortName(document)}</small></li>`
    })
  return html`<h2>What was done</h2><ul>${items}</ul>`
}

/** Seconds as players show them. */
function clock(seconds: number): string {
  const whole = Math.max(Math.floor(seconds), 0)
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
