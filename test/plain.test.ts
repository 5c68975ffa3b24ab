import t from 'tap'
import { escapeJson, plain, plainJson, plainLines, plainQuote, quote } from '../src/plain.ts'

for (const [what, from, to] of [
  ['C0 controls', 0x00, 0x1f],
  ['DEL and C1 controls', 0x7f, 0x9f],
  ['the Arabic letter mark', 0x61c, 0x61c],
  ['zero-width characters and marks of direction', 0x200b, 0x200f],
  ['separators, embeddings and overrides', 0x2028, 0x202e],
  ['the word joiner', 0x2060, 0x2060],
  ['isolates', 0x2066, 0x2069],
  ['lone surrogates', 0xd800, 0xdfff],
  ['the byte order mark', 0xfeff, 0xfeff],
  ['tags', 0xe0000, 0xe007f],
] satisfies [string, number, number][]) {
  t.test(`escapes ${what}`, async (t) => {
    for (let code = from; code <= to; code++) {
      const [text, hex] = [String.fromCodePoint(code), code.toString(16)]
      t.equal(plain(`a${text}b`), `a\\u{${hex}}b`, hex)
      t.equal(plainLines(`a${text}\nb`), code === 0x0a ? 'a\n\nb' : `a\\u{${hex}}\nb`, hex)
      const json = plainJson({ [text]: text })
      t.match(json, /^[\x20-\x7e]+$/, hex)
      t.same(JSON.parse(json), { [text]: text }, hex)
    }
  })
}

t.test('leaves what people write', async (t) => {
  for (const text of ['Fahrenheit 451: ß 李 👍', 'Ἰλιάς', 'ألف ليلة', '❤\ufe0f', 'a\\u{1b}']) {
    t.equal(plain(text), text)
    t.equal(plainLines(text), text)
    t.equal(plainJson([text]), JSON.stringify([text]))
  }
})

t.test('leaves the lines of JSON', async (t) => {
  t.equal(plainJson({ a: '\u200b' }, 2), '{\n  "a": "\\u200b"\n}')
  t.equal(escapeJson('{"a":"\u{e0041}"}\n'), '{"a":"\\udb40\\udc41"}\n')
})

t.test('quotes every unit as JSON does', async (t) => {
  for (let unit = 0; unit < 0x10000; unit++) {
    const text = `a${String.fromCharCode(unit)}b`
    // One assertion per unit would take half a minute.
    if (quote(text) !== JSON.stringify(text)) t.fail(unit.toString(16))
    if (plainQuote(text) !== plainJson(text)) t.fail(unit.toString(16))
  }
  t.equal(quote('a "\\ 😀'), '"a \\"\\\\ 😀"')
  t.equal(plainQuote('a\u202e'), '"a\\u202e"')
})
