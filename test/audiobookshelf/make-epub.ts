import { crc32, deflateRawSync } from 'node:zlib'

/** A zip archive of the files. */
export function makeZip(files: Record<string, string | Buffer>): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const [name, content] of Object.entries(files)) {
    const data = Buffer.from(content)
    const packed = deflateRawSync(data)
    const header = Buffer.alloc(26)
    header.writeUInt16LE(20, 0)
    header.writeUInt16LE(0x0800, 2)
    header.writeUInt16LE(8, 4)
    header.writeUInt32LE(crc32(data), 10)
    header.writeUInt32LE(packed.length, 14)
    header.writeUInt32LE(data.length, 18)
    header.writeUInt16LE(Buffer.byteLength(name), 22)
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004'), header, Buffer.from(name), packed])
    const attributes = Buffer.alloc(14)
    attributes.writeUInt32LE(at, 10)
    directory.push(Buffer.concat([Buffer.from('PK\u0001\u0002\u0014\u0000'), header, attributes, Buffer.from(name)]))
    parts.push(local)
    at += local.length
  }
  const entries = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(directory.length, 4)
  end.writeUInt16LE(directory.length, 6)
  end.writeUInt32LE(entries.length, 8)
  end.writeUInt32LE(at, 12)
  return Buffer.concat([...parts, entries, Buffer.from('PK\u0005\u0006'), end])
}

export interface BookChapter {
  title: string
  /** Paragraphs. */
  text: string[]
}

const container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'

/** The files of an EPUB with a nav, one document a chapter. */
export function epubFiles(chapters: BookChapter[]): Record<string, string> {
  const items = chapters.map(
    (_chapter, at) => `<item id="c${at}" href="c%20${at}.xhtml" media-type="application/xhtml+xml"/>`,
  )
  const refs = chapters.map((_chapter, at) => `<itemref idref="c${at}"/>`)
  const links = chapters.map(({ title }, at) => `<li><a href="c%20${at}.xhtml#top"> ${title}\n</a></li>`)
  const documents = chapters.map(({ title, text }, at) => [
    `OEBPS/c ${at}.xhtml`,
    `<?xml version="1.0" encoding="utf-8"?><html><head><title>${title}</title></head><body>\n<h1 id="top">${title}</h1>\n` +
      `${text.map((paragraph) => `<p>${paragraph}</p>`).join('\n')}\n</body></html>`,
  ])
  return {
    mimetype: 'application/epub+zip',
    'META-INF/container.xml': container,
    'OEBPS/book.opf': `<package><manifest><item id="nav" href="nav.xhtml" properties="nav"/>${items.join('')}</manifest><spine>${refs.join('')}</spine></package>`,
    'OEBPS/nav.xhtml': `<html><body><nav epub:type="toc"><ol>${links.join('')}</ol></nav></body></html>`,
    ...Object.fromEntries(documents),
  }
}

/** An EPUB with a nav, one document a chapter. */
export function makeEpub(chapters: BookChapter[]): Buffer {
  return makeZip(epubFiles(chapters))
}

/** Paragraphs of about so many characters in all. */
export function paragraphs(characters: number, each = 200): string[] {
  return Array.from({ length: Math.ceil(characters / each) }, () => 'word '.repeat(each / 5).trim())
}
