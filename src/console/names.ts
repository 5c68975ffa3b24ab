import type { Progress } from '../kosync/protocol.ts'
import { isRestored } from '../library/restore.ts'
import { titleOf } from '../library/titles.ts'
import { html, name, type Html } from './page.ts'

/** Characters of a stranger's text that a list shows. */
const mostShown = 200

/** The title of a book, else its id. */
export function bookTitle(record: Progress): string {
  return titleOf(record) || record.document
}

/** As above, shortened for a list. */
export function bookName(record: Progress): Html {
  return shortName(bookTitle(record))
}

/** The reader of a push. */
export function readerName(push: Pick<Progress, 'device' | 'device_id'>): Html {
  if (isRestored(push)) return html`kss, put back`
  return push.device === '' ? html`a reader without a name` : shortName(push.device)
}

/** A stranger's text in a list, shortened: a megabyte of it would hide the rest. */
export function shortName(text: string): Html {
  return name(clip(text, mostShown))
}

/** The beginning of a long text. A character of two units stays whole. */
export function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Ids that a path can carry as they are. `..` and what a proxy would unescape are not. */
const plainId = /^[\w-]{1,64}$/

/** The path of a book's page, behind the base path. */
export function bookPath(document: string): string {
  return `/books/${plainId.test(document) ? document : `~${Buffer.from(document).toString('base64url')}`}`
}

/** The id that a path was made of. */
export function documentOf(part: string): string {
  return part.startsWith('~') ? Buffer.from(part.slice(1), 'base64url').toString() : part
}
