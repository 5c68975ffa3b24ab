import { Devices, deviceKey, type SeenDevice } from '../library/devices.ts'
import { mostHistories, newestFirst, readHistories } from '../library/histories.ts'
import { findMismatches, matchingMethod, type MatchingMethod } from '../library/mismatches.ts'
import { isRestored } from '../library/restore.ts'
import type { Progress } from '../kosync/protocol.ts'
import { describeMismatch } from './join-books.ts'
import { listRecords } from './list-records.ts'
import { bookName, bookPath, readerName, shortName } from './names.ts'
import { html, percentage, time, type Html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

/** The most books with two ids in the notice. */
const mostMismatches = 20

/** The most readers whose oldest book is read, the latest seen first. */
const mostReaders = 10

/** The page of readers: since when each one syncs, and its last book. */
export async function showDevices(visit: ReaderVisit): Promise<Page> {
  const { devices, methods, records } = await collect(visit)
  if (devices.length === 0) {
    const help = html`<a href="${visit.base}/help">How to set up a reader</a>`
    return { title: 'Readers', body: html`<p>No reader has synced yet. ${help}</p>` }
  }
  const titles = new Map(records.map((record) => [record.document, record]))
  const lines = devices.map((seen) => deviceLine(visit, seen, titles, methods.get(deviceKey(seen.last))))
  const body = html`${mismatchList(visit, records)}
<table><thead><tr><th scope="col">Reader</th><th scope="col">Last sync</th><th scope="col">Read last</th></tr></thead>
<tbody>${lines}</tbody></table>`
  return { title: 'Readers', body }
}

interface Collected {
  devices: SeenDevice[]
  /** By the key of the device. */
  methods: Map<string, Set<MatchingMethod>>
  records: Progress[]
}

async function collect(visit: ReaderVisit): Promise<Collected> {
  const { options, account } = visit
  const records = await listRecords(visit)
  const books = await readHistories(booksOf(records), ({ document }) => options.store.listHistory(account, document))
  const histories = new Map(books.map(({ record, rows }) => [record, rows]))
  const devices = new Devices()
  const methods: Collected['methods'] = new Map()
  for (const record of records) {
    const rows = histories.get(record) ?? []
    // A push that repeats the last position adds no row, but the record has its time.
    const pushes = rows.at(-1)?.timestamp === record.timestamp ? rows : [...rows, record]
    const method = matchingMethod(record)
    for (const push of pushes.filter((each) => !isRestored(each))) {
      devices.add(push)
      if (method === undefined) continue
      const key = deviceKey(push)
      const known = methods.get(key)
      if (known) known.add(method)
      else methods.set(key, new Set([method]))
    }
  }
  return { devices: devices.list(), methods, records }
}

/**
 * The books whose histories the page reads: the newest, which show readers that another one has overtaken, and each
 * reader's oldest one, which shows since when it syncs. For the rest of a large library the records suffice.
 */
function booksOf(records: Progress[]): Set<Progress> {
  const sorted = newestFirst(records)
  const oldest = new Map(sorted.map((record) => [deviceKey(record), record]))
  return new Set([...sorted.slice(0, mostHistories), ...[...oldest.values()].slice(0, mostReaders)])
}

function deviceLine(
  { base }: ReaderVisit,
  { device, last }: SeenDevice,
  titles: Map<string, Progress>,
  methods?: Set<MatchingMethod>,
): Html {
  const { names, device_id, first_seen, last_seen } = device
  const earlier = names.slice(1, 4)
  const book = titles.get(last.document)!
  const details = [
    earlier.length > 0 && html`before: ${earlier.map((each, at) => html`${at > 0 && ', '}${shortName(each)}`)}`,
    device_id !== null && html`id ${shortName(device_id)}`,
    methods && html`matches books ${methodWords(methods)}`,
  ].filter((each) => each !== false && each !== undefined)
  return html`<tr><th scope="row">${readerName(last)}${details.map((each) => html`<br><small>${each}</small>`)}</th>
<td data-label="Last sync">${time(last_seen)}<br><small>since ${time(first_seen)}</small></td>
<td data-label="Read last"><a href="${base}${bookPath(book.document)}">${bookName(book)}</a>, ${percentage(last.percentage)}</td></tr>
`
}

function methodWords(methods: Set<MatchingMethod>): string {
  if (methods.size > 1) return 'by content, and some by file name'
  return methods.has('content') ? 'by content' : 'by file name'
}

function mismatchList(visit: ReaderVisit, records: Progress[]): Html | undefined {
  const found = findMismatches(records)
  const shown = Array.from({ length: mostMismatches }, () => found.next().value ?? undefined).filter(
    (each) => each !== undefined,
  )
  if (shown.length === 0) return undefined
  const items = shown.map(
    (mismatch) => html`<li>${bookName(mismatch.byContent)}: ${describeMismatch(visit, mismatch)}</li>`,
  )
  return html`<div class="notice"><h2>Here twice</h2><ul>${items}</ul></div>`
}
