import { html } from './page.ts'
import type { Page, ReaderVisit } from './route.ts'

/** What is read, where and since when. */
export function showBooks(_visit: ReaderVisit): Page {
  return { title: 'Books', body: html`<p>No books yet. Open one on your reader, and sync.</p>` }
}
