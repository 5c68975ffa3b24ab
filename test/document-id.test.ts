import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { filenameMd5, partialMd5, partialMd5OfStream } from '../src/document-id.ts'

interface Vectors {
  vectors: { file: string; size: number; md5: string }[]
  sparse: { size: number; md5: string }
  filename: { name: string; md5: string }[]
}

const vectors = JSON.parse(await readFile(new URL('partial-md5.json', import.meta.url), 'utf8')) as Vectors

for (const { file, size, md5 } of vectors.vectors) {
  t.test(`the binary id of ${file} is ${md5}, from a file and from a stream in any pieces`, async (t) => {
    const bytes = Buffer.from(Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) % 256))
    const path = join(t.testdir({}), 'book')
    await writeFile(path, bytes)
    t.equal(await partialMd5(path), md5)
    for (const piece of [1000, 1024, 65_536]) {
      const pieces = Array.from({ length: Math.ceil(size / piece) }, (_, at) =>
        bytes.subarray(at * piece, (at + 1) * piece),
      )
      t.equal(await partialMd5OfStream(Readable.from(pieces)), md5)
    }
  })
}

t.test('a book of over 1 GiB has a twelfth sample', async (t) => {
  const path = join(t.testdir({}), 'sparse')
  const file = await open(path, 'w')
  for (const offset of [0, ...Array.from({ length: 11 }, (_, at) => 1024 * 4 ** at)]) {
    await file.write(String(offset).padStart(16, '0'), offset)
  }
  await file.truncate(vectors.sparse.size)
  await file.close()
  t.equal(await partialMd5(path), vectors.sparse.md5)
})

t.test('an empty book has the MD5 of nothing', async (t) => {
  const path = join(t.testdir({ empty: '' }), 'empty')
  t.equal(await partialMd5(path), 'd41d8cd98f00b204e9800998ecf8427e')
})

t.test('the filename id is of the base name', async (t) => {
  for (const { name, md5 } of vectors.filename) {
    t.equal(filenameMd5(name), md5)
    t.equal(filenameMd5(`/books/${name}`), md5)
  }
})
