import { get, post, type Route } from '../console/route.ts'
import { leaveBook, linkBook, showBookLink, unlinkBook } from './book-page.ts'
import type { Bridge } from './bridge.ts'
import { showCover } from './cover.ts'
import { showLinks, lookNow } from './links-page.ts'
import type { Operator } from './operate.ts'
import type { SettingsEditor } from './settings-editor.ts'
import { changeSetting, setKey, showBridgeSettings, testConnection } from './settings-page.ts'

/** The parts that the pages use. */
export interface PageParts {
  bridge: Bridge
  operator: Operator
  editor: SettingsEditor
}

/** The pages of the bridge in the console: links for readers, settings for operators. */
export function createPages(parts: PageParts): Route[] {
  return [
    get('/audiobookshelf', 'reader', (visit) => showLinks(parts, visit)),
    post('/audiobookshelf/look', 'reader', (visit) => lookNow(parts, visit)),
    get('/audiobookshelf/books/:id', 'reader', (visit) => showBookLink(parts, visit)),
    post('/audiobookshelf/books/:id/link', 'reader', (visit) => linkBook(parts, visit)),
    post('/audiobookshelf/books/:id/unlink', 'reader', (visit) => unlinkBook(parts, visit)),
    post('/audiobookshelf/books/:id/leave', 'reader', (visit) => leaveBook(parts, visit)),
    get('/audiobookshelf/covers/:id', 'reader', (visit) => showCover(parts, visit)),
    get('/audiobookshelf/settings', 'operator', (visit) => showBridgeSettings(parts, visit)),
    post('/audiobookshelf/settings', 'operator', (visit) => changeSetting(parts, visit)),
    post('/audiobookshelf/settings/key', 'operator', (visit) => setKey(parts, visit)),
    post('/audiobookshelf/settings/test', 'operator', (visit) => testConnection(parts, visit)),
  ]
}
