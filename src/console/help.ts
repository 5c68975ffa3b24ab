import { sayFinding, sayPush } from '../doctor/finding-sentences.ts'
import { findTroubles, lastOf, type Finding } from '../doctor/findings.ts'
import { ago } from '../doctor/sentences.ts'
import { readerAddresses } from './addresses.ts'
import { showHeard, showSentence } from './heard.ts'
import { listRecords } from './list-records.ts'
import { bookPath } from './names.ts'
import { html, name, type Html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

/** The page Help: the settings of a reader, and the troubles between the account's readers and the server. */
export async function showHelp(visit: ReaderVisit): Promise<Page> {
  const { account, base, isOperator, options } = visit
  const { username, id } = account
  const addresses = readerAddresses(visit)
  const records = await listRecords(visit)
  const now = options.now() / 1000
  const troubles = await findTroubles(records, now, ({ document }) => options.store.listHistory(account, document))
  const findings = troubles.map((finding) => {
    return showSentence(sayFinding(finding, username), isOperator, linkTo(finding, base))
  })
  const last = lastOf(records)
  const body = html`<p>Type this on your reader, with the name ${name(username)} and your password:</p>
    <ul>
      ${addresses.map((address) => html`<li><code>${address}</code></li>`)}
    </ul>
    <h2>What kss heard from your readers</h2>
    ${last && html`<p>${name(sayPush(last))} ${ago(now - last.timestamp)}.</p>`}
    ${showHeard({ heard: options.events.list(id), username, withCommands: isOperator })}
    ${
      findings.length > 0 &&
      html`<h2>What your books tell</h2>
      <ul>
        ${findings}
      </ul>`
    }
    ${steps(addresses[0] ?? '')}`
  return { title: 'Help', body }
}

/** A link to the book of the finding. */
function linkTo(finding: Finding, base: string): Html | undefined {
  const book = Object.values(finding).find((each) => typeof each === 'object')
  return book && html`<a href="${base}${bookPath(book.document)}">Open the book</a>`
}

/** As in docs/connect.md. */
function steps(address: string): Html {
  const http = address.startsWith('http:')
  return html`<h2>KOReader</h2>
    <ol>
      <li>Open a book: <b>Progress sync</b> is only in the menu while a book is open.</li>
      <li>Tap the top of the screen, then the wrench (<b>Tools</b>), then <b>Progress sync</b>.</li>
      <li>
        Tap <b>Custom sync server</b>, and type <code>${address}</code>.
        ${http && html`The field begins with <code>https://</code>: erase that first.`}
      </li>
      <li>Tap <b>Register / Login</b>, type your name and password, and tap <b>Login</b>.</li>
      <li>Tick <b>Automatically keep documents in sync</b>.</li>
      <li>Try <b>Push progress from this device now</b> once: it tells how it went.</li>
    </ol>
    <p>Choose the same <b>Document matching method</b> on all readers, or they take one book for two.</p>
    <h2>Readest</h2>
    <ol>
      <li>Open a book, then the settings for <b>KOReader Sync</b>.</li>
      <li>Type <code>${address}</code>, your name and your password, and connect.</li>
      <li>Choose the file content, not the file name, as the <b>checksum method</b>: in KOReader that is Binary.</li>
    </ol>
    ${http && html`<p>Readest in a browser cannot reach an address with http://; the apps for desktop and phone can.</p>`}
    <h2>CrossPoint</h2>
    <ol>
      <li>Open <b>Settings &gt; KOReader Sync</b>.</li>
      <li>Type your name, your password and <code>${address}</code>, then <b>Authenticate</b>.</li>
      <li>It matches by file name unless told otherwise: set it to Binary, as KOReader has it.</li>
    </ol>
    <h2>Kios</h2>
    <ol>
      <li>Choose KOReader sync as the way to sync.</li>
      <li>Type <code>${address}</code>, and your name and password.</li>
    </ol>`
}
