import t from 'tap'
import { readEpub } from '../../src/audiobookshelf/epub.ts'
import { Zip } from '../../src/audiobookshelf/zip.ts'
import { epubFiles, makeEpub, makeZip } from './make-epub.ts'

const two = [
  { title: 'One', text: ['First words.', 'Some <b>bold</b>  and\n more <i>text</i> here.'] },
  { title: 'Two', text: ['Other.'] },
]

t.test('counts the characters of each fragment, and those before each element and text node', async (t) => {
  const { fragments, contents } = await readEpub(makeEpub(two))
  t.same(fragments[0], {
    characters: 'One First words. Some bold and more text here. '.length,
    before: {
      head: 0,
      'head/title': 0,
      body: 0,
      'body/h1': 0,
      'body/p': 4,
      'body/p[2]': 17,
      'body/p[2]/b': 22,
      'body/p[2]/text()[2]': 26,
      'body/p[2]/i': 36,
      'body/p[2]/text()[3]': 40,
    },
  })
  t.equal(fragments.length, 2)
  t.same(contents, [
    { title: 'One', depth: 0, fragment: 1, before: 0 },
    { title: 'Two', depth: 0, fragment: 2, before: 0 },
  ])
})

t.test('a fragment of a broken itemref counts, one without an item does not', async (t) => {
  const files = epubFiles(two)
  delete files['OEBPS/c 0.xhtml']
  files['OEBPS/book.opf'] = files['OEBPS/book.opf']!.replace('<spine>', '<spine><itemref idref="none"/>').replace(
    '<itemref idref="c1"/>',
    '<itemref idref="c1" linear="no"/>',
  )
  const { fragments } = await readEpub(makeZip(files))
  t.match(fragments, [{ characters: 0 }, { characters: 'Two Other. '.length }])
  t.equal(fragments.length, 2)
})

t.test('reads the depth of a nav, its anchors, and leaves out what leads nowhere', async (t) => {
  const files = epubFiles(two)
  files['OEBPS/c 0.xhtml'] =
    '<html><body><h1>A</h1><a name="x"/><p id="x">text</p><p id="%">b</p><div xml:id="y"/></body></html>'
  files['OEBPS/nav.xhtml'] =
    '<html><nav epub:type="landmarks"><ol><li><a href="c%201.xhtml">No</a></li></ol></nav><nav><a href="c%200.xhtml">No</a></nav>' +
    '<nav epub:type="toc lot"><h2>Contents</h2><ol><li><a href="c%200.xhtml">Part</a><ol><li><a href="c%200.xhtml#x">Chapter</a></li>' +
    '</ol></li><li><a href="c%200.xhtml#none">N</a></li><li><a href="c%200.xhtml#%">P</a></li><li><a>Own</a></li>' +
    '<li><span>S</span></li><li><a href="gone.xhtml">G</a></li></ol></nav></html>'
  const { contents } = await readEpub(makeZip(files))
  t.same(contents, [
    { title: 'Part', depth: 0, fragment: 1, before: 0 },
    { title: 'Chapter', depth: 1, fragment: 1, before: 1 },
    { title: 'N', depth: 0, fragment: 1, before: 0 },
    { title: 'P', depth: 0, fragment: 1, before: 5 },
  ])
})

t.test('reads the ncx where there is no nav, or an empty one', async (t) => {
  const files = epubFiles(two)
  const item = '<item id="ncx" href="../toc.ncx" media-type="application/x-dtbncx+xml"/>'
  files['OEBPS/book.opf'] = files['OEBPS/book.opf']!.replace('<manifest>', `<manifest>${item}${item}`)
  files['OEBPS/nav.xhtml'] = '<html/>'
  files['toc.ncx'] =
    '<ncx><docTitle><text>Title</text></docTitle><content src="x"/><navMap><navPoint><navLabel><text>One</text></navLabel><content src="OEBPS/c%200.xhtml"/>' +
    '<navPoint><navLabel><text>Two</text></navLabel><content src="OEBPS/c%201.xhtml#top"/></navPoint></navPoint>' +
    '<navPoint><navLabel><text>Bad</text></navLabel><content/></navPoint></navMap><pageList><navPoint/></pageList></ncx>'
  t.same((await readEpub(makeZip(files))).contents, [
    { title: 'One', depth: 0, fragment: 1, before: 0 },
    { title: 'Two', depth: 1, fragment: 2, before: 0 },
  ])
  delete files['toc.ncx']
  t.same((await readEpub(makeZip(files))).contents, [])
  files['OEBPS/book.opf'] = files['OEBPS/book.opf'].replaceAll(item, '').replace('properties="nav"', '')
  t.same((await readEpub(makeZip(files))).contents, [])
})

t.test('reads other encodings as the document says', async (t) => {
  const text = (label: string): string =>
    `<?xml version="1.0" encoding="${label}"?><html><body>\u00e4\u00f6</body></html>`
  const documents: [Buffer, number][] = [
    [Buffer.from(text('iso-8859-1'), 'latin1'), 2],
    [Buffer.from(`\ufeff${text('utf-16')}`, 'utf16le'), 2],
    [Buffer.from(`\ufeff${text('utf-16')}`, 'utf16le').swap16(), 2],
    [Buffer.from(text('no-such')), 2],
    [Buffer.from('<html><body>\u00e4</body></html>'), 1],
  ]
  for (const [document, characters] of documents) {
    const files: Record<string, string | Buffer> = epubFiles(two)
    files['OEBPS/c 0.xhtml'] = document
    t.equal((await readEpub(makeZip(files))).fragments[0]?.characters, characters)
  }
})

t.test('refuses what is no EPUB, is broken or encrypted', async (t) => {
  await t.rejects(readEpub(Buffer.from('text')))
  await t.rejects(readEpub(makeZip({ a: 'b' })), /is no EPUB/)
  await t.rejects(readEpub(makeZip({ 'META-INF/container.xml': '<container><rootfile/></container>' })), /is no EPUB/)
  const files = epubFiles(two)
  await t.rejects(readEpub(makeZip({ ...files, 'OEBPS/book.opf': '<package/>' })), /empty spine/)
  const { 'OEBPS/book.opf': _package, ...without } = files
  await t.rejects(readEpub(makeZip(without)), /no package document/)
  const encryption = (algorithm: string): string => `<encryption><EncryptionMethod ${algorithm}/></encryption>`
  await t.rejects(
    readEpub(makeZip({ ...files, 'META-INF/encryption.xml': encryption('Algorithm="x"') })),
    /is encrypted/,
  )
  await t.rejects(readEpub(makeZip({ ...files, 'META-INF/encryption.xml': encryption('') })), /is encrypted/)
  const fonts = encryption('Algorithm="http://www.idpf.org/2008/embedding"')
  t.equal((await readEpub(makeZip({ ...files, 'META-INF/encryption.xml': fonts }))).fragments.length, 2)
  const cut = makeEpub(two)
  await t.rejects(readEpub(cut.subarray(0, cut.length - 30)))
})

t.test('an archive is bounded in entries and in bytes, also one that lies', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 5001 }, (_, at) => [`f${at}`, '']))
  await t.rejects(Zip.open(makeZip(many)), /more than 5000 entries/)
  const large = makeZip({ a: 'x' })
  large.writeUInt32LE(2 ** 28, large.indexOf('PK\u0001\u0002') + 24)
  await t.rejects(Zip.open(large), /unpacks to more than/)
  const liar = makeZip({ a: 'x'.repeat(100_000) })
  liar.writeUInt32LE(10, liar.indexOf('PK\u0001\u0002') + 24)
  const zip = await Zip.open(liar)
  t.ok(zip.has('a'))
  await t.rejects((await zip.read('a'))!.toArray())
})

t.test('more elements than 100,000 are counted, and not kept', async (t) => {
  const files = epubFiles(two)
  files['OEBPS/c 0.xhtml'] = `<html><body>${'<p>a</p>'.repeat(100_100)}</body></html>`
  const { fragments } = await readEpub(makeZip(files))
  t.equal(fragments[0]?.characters, 100_100)
  t.equal(Object.keys(fragments[0]!.before).length, 100_000)
  t.same(fragments[1]?.before, {})
})
