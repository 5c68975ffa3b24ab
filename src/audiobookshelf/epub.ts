import { posix } from 'node:path'
import { countFragment, type Anchors, type FragmentText } from './fragment-text.ts'
import { parseMarkup } from './markup.ts'
import { readContents, type Link } from './contents.ts'
import { Zip } from './zip.ts'

/** An entry of the table of contents. */
export interface ContentsEntry {
  title: string
  /** From 0. */
  depth: number
  fragment: number
  /** Characters of the fragment before it. */
  before: number
}

/** What the bridge keeps of an EPUB: counts, no text. */
export interface BookText {
  /** In the order of the spine: `DocFragment[1]` first. */
  fragments: FragmentText[]
  contents: ContentsEntry[]
}

/** Elements and text nodes of a book that are kept: a long novel has 30,000. */
const mostKept = 100_000

/** Fonts may be scrambled in a book that can be read. */
const fontScrambling = new Set(['http://www.idpf.org/2008/embedding', 'http://ns.adobe.com/pdf/enc#RC'])

interface Package {
  /** Paths of the spine's documents in their order. */
  spine: string[]
  nav: string | undefined
  ncx: string | undefined
}

/** Counts the text of an EPUB. Rejects for one that is none, is broken, too large or encrypted. */
export async function readEpub(data: Buffer): Promise<BookText> {
  const zip = await Zip.open(data)
  if (await isEncrypted(zip)) throw new Error('is encrypted')
  const book = await readPackage(zip, await findPackage(zip))
  const links = await readLinks(zip, book)
  const wanted = book.spine.map((path): Anchors => {
    const ids = links.filter((link) => link.path === path && link.id !== undefined).map((link) => link.id!)
    return new Map(ids.map((id) => [id, undefined]))
  })
  let kept = 0
  const fragments: FragmentText[] = []
  for (const [at, path] of book.spine.entries()) {
    const source = await zip.read(path)
    const text = source && (await countFragment(source, wanted[at]!, () => (kept += 1) <= mostKept))
    // crengine makes a fragment of a broken itemref, too.
    fragments.push(text ?? { characters: 0, before: {} })
  }
  return { fragments, contents: locate(links, book.spine, wanted) }
}

/** Links that lead nowhere are left out. */
function locate(links: Link[], spine: string[], anchors: Anchors[]): ContentsEntry[] {
  return links.flatMap(({ title, depth, path, id }) => {
    const at = spine.indexOf(path)
    if (at === -1) return []
    return [{ title, depth, fragment: at + 1, before: (id !== undefined && anchors[at]!.get(id)) || 0 }]
  })
}

async function isEncrypted(zip: Zip): Promise<boolean> {
  const source = await zip.read('META-INF/encryption.xml')
  const algorithms: string[] = []
  if (source) {
    await parseMarkup(source, {
      onOpen: (name, { Algorithm: algorithm = '' }) => {
        if (name === 'encryptionmethod') algorithms.push(algorithm)
      },
    })
  }
  return algorithms.some((algorithm) => !fontScrambling.has(algorithm))
}

async function findPackage(zip: Zip): Promise<string> {
  const source = await zip.read('META-INF/container.xml')
  let path: string | undefined
  if (source) {
    await parseMarkup(source, {
      onOpen: (name, attributes) => {
        if (name === 'rootfile') path ??= attributes['full-path']
      },
    })
  }
  if (path === undefined) throw new Error('is no EPUB')
  return path
}

async function readPackage(zip: Zip, path: string): Promise<Package> {
  const source = await zip.read(path)
  if (!source) throw new Error('has no package document')
  const paths = new Map<string, string>()
  const ids: string[] = []
  let nav: string | undefined
  let ncx: string | undefined
  await parseMarkup(source, {
    onOpen: (name, attributes) => {
      const { id = '', href = '', idref, properties = '', 'media-type': type } = attributes
      if (name === 'itemref' && idref !== undefined) ids.push(idref)
      if (name !== 'item') return
      const target = resolveHref(path, href).path
      paths.set(id, target)
      if (properties.split(/\s+/).includes('nav')) nav ??= target
      if (type === 'application/x-dtbncx+xml') ncx ??= target
    },
  })
  const spine = ids.map((id) => paths.get(id)).filter((each) => each !== undefined)
  if (spine.length === 0) throw new Error('has an empty spine')
  return { spine, nav, ncx }
}

/** The table of contents: the nav, else the ncx. */
async function readLinks(zip: Zip, { nav, ncx }: Package): Promise<Link[]> {
  for (const path of [nav, ncx]) {
    const source = path === undefined ? undefined : await zip.read(path)
    const links = source ? await readContents(source, path === nav) : []
    if (links.length > 0) return links.map((link) => ({ ...link, ...resolveHref(path!, link.path) }))
  }
  return []
}

/** The path in the archive, and the id in the document. */
function resolveHref(from: string, href: string): { path: string; id: string | undefined } {
  const [, target = '', id] = /^([^#]*)(?:#(.*))?$/s.exec(href)!
  return {
    path: target === '' ? from : posix.normalize(posix.join(posix.dirname(from), decode(target))),
    id: id === undefined ? undefined : decode(id),
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
