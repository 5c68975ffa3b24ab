import type { Link, LinkKind, Obstacle } from './links.ts'

const kinds: Record<LinkKind, string> = {
  hand: 'linked by hand',
  map: 'linked by the settings',
  digest: 'linked: the same file',
}

const obstacles: Record<Obstacle, string> = {
  gone: 'the item is gone',
  notAllowed: 'you may not see the item',
  notABook: 'the item is no book',
}

/** The state of a link in words. */
export function linkWords(link: Link | undefined, obstacle: Obstacle | undefined): string {
  if (!link) return 'not linked'
  return obstacle ? obstacles[obstacle] : kinds[link.kind]
}
