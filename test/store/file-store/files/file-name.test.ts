import fc from 'fast-check'
import t from 'tap'
import { fromFileName, hasRawFileName, toFileName } from '../../../../src/store/file-store/files/file-name.ts'

for (const [name, fileName] of [
  ['alice', 'alice'],
  ['0a-b_c.d', '0a-b_c.d'],
  ['9ea1b31e133214bb1169acce6ff4affb', '9ea1b31e133214bb1169acce6ff4affb'],
  ['Bob', '%42ob'],
  ['../x', '%2e%2e%2fx'],
  ['..%2f', '%2e%2e%252f'],
  ['.', '%2e'],
  ['.a', '%2ea'],
  ['a.', 'a%2e'],
  ['a..b', 'a%2e%2eb'],
  ['-a', '%2da'],
  ['_a', '%5fa'],
  ['a/b', 'a%2fb'],
  ['a\0b', 'a%00b'],
  ['é', '%c3%a9'],
  ['~x', '%7ex'],
  ['', ''],
  ['auth', '%61uth'],
  ['history', '%68istory'],
  ['authx', 'authx'],
  ['con', '%63on'],
  ['con.epub', '%63on.epub'],
  ['com1', '%63om1'],
  ['console', 'console'],
  ['a'.repeat(200), 'a'.repeat(200)],
] as const) {
  t.test(`${JSON.stringify(name.slice(0, 20))} is the file ${fileName.slice(0, 20)}`, async (t) => {
    t.equal(toFileName(name), fileName)
  })
}

t.test('a name whose file name is over 200 characters is its SHA-256', async (t) => {
  t.match(toFileName('a'.repeat(201)), /^~[0-9a-f]{64}$/)
  t.match(toFileName('é'.repeat(34)), /^~/)
  t.equal(toFileName('é'.repeat(33)).length, 198)
  t.not(toFileName('a'.repeat(201)), toFileName('a'.repeat(202)))
})

const name = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }),
)
t.test('a file name tells the name, but for a hash', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      if (!text.isWellFormed()) return
      const fileName = toFileName(text)
      t.equal(fromFileName(fileName), fileName.startsWith('~') ? undefined : text)
    }),
  )
  for (const none of ['Bob', '%zz', '%ff', '%61lice', '~x', `~${'a'.repeat(64)}`])
    t.equal(fromFileName(none), undefined)
})

const hostile = fc.stringMatching(/^[a-cA-C.%/\\~_\-0 ]{1,6}$/)
const any = fc.oneof(name, hostile).filter((text) => text.isWellFormed())

t.test('a file name is one safe path segment, and says the name it stands for', async (t) => {
  fc.assert(
    fc.property(any, (text) => {
      const fileName = toFileName(text)
      if (!/^(~[0-9a-f]{64}|[a-z0-9%][a-z0-9%_.-]*)$/.test(fileName)) return false
      if (fileName.length > 200 || /^\.|\.$|\.\./.test(fileName)) return false
      return fileName.startsWith('~') || decodeURIComponent(fileName) === text
    }),
    { numRuns: 5000 },
  )
  t.pass()
})

t.test('different names never meet, on no file system', async (t) => {
  const folded = (text: string): string => toFileName(text).normalize('NFC').toLowerCase()
  fc.assert(
    fc.property(any, any, (a, b) => a === b || folded(a) !== folded(b)),
    { numRuns: 5000 },
  )
  for (const [a, b] of [
    ['Bob', 'bob'],
    ['é', 'é'.normalize('NFD')],
    ['%42ob', 'Bob'],
    ['K', '\u212a'],
  ] as const) {
    t.not(folded(a), folded(b))
  }
})

t.test('only a name that an older kss could have used, and this one would not, has a raw file', async (t) => {
  for (const raw of ['Alice', 'a b', 'é', 'con', '%41']) t.ok(hasRawFileName(raw), raw)
  for (const none of ['alice', '../x', '.hidden', 'a/b', 'a\\b', 'a\0b']) t.notOk(hasRawFileName(none), none)
})
