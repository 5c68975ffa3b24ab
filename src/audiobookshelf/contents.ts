import type { Readable } from 'node:stream'
import { parseMarkup } from './markup.ts'

/** An entry of a table of contents. */
export interface Link {
  title: string
  /** From 0. */
  depth: number
  /** As written: the address of a document, perhaps with the id of an element. */
  path: string
  id?: string | undefined
}

/** The entries of a nav document, or else of an ncx. */
export async function readContents(source: Readable, isNav: boolean): Promise<Link[]> {
  return isNav ? await readNav(source) : await readNcx(source)
}

async function readNav(source: Readable): Promise<Link[]> {
  const links: Link[] = []
  let isInContents = false
  let depth = -1
  let link: Link | undefined
  await parseMarkup(source, {
    onOpen: (name, attributes) => {
      if (name === 'nav') isInContents = attributes['epub:type']?.split(/\s+/).includes('toc') ?? false
      else if (isInContents && name === 'ol') depth += 1
      else if (isInContents && name === 'a') link = { title: '', depth, path: attributes['href'] ?? '' }
    },
    onText: (text) => {
      if (link) link.title += text
    },
    onClose: (name) => {
      if (name === 'nav') isInContents = false
      else if (isInContents && name === 'ol') depth -= 1
      else if (name === 'a' && link) {
        links.push(trimmed(link))
        link = undefined
      }
    },
  })
  return links
}

async function readNcx(source: Readable): Promise<Link[]> {
  const links: Link[] = []
  const open: Link[] = []
  let isInMap = false
  let isInTitle = false
  await parseMarkup(source, {
    onOpen: (name, attributes) => {
      if (name === 'navmap') isInMap = true
      else if (isInMap && name === 'navpoint') {
        const point = { title: '', depth: open.length, path: '' }
        open.push(point)
        links.push(point)
      } else if (name === 'text') isInTitle = true
      else if (name === 'content' && open.length > 0) open.at(-1)!.path = attributes['src'] ?? ''
    },
    onText: (text) => {
      const point = open.at(-1)
      if (isInTitle && point) point.title += text
    },
    onClose: (name) => {
      if (name === 'navmap') isInMap = false
      else if (name === 'navpoint') open.pop()
      else if (name === 'text') isInTitle = false
    },
  })
  return links.map(trimmed)
}

function trimmed(link: Link): Link {
  return { ...link, title: link.title.replaceAll(/\s+/g, ' ').trim() }
}
