import { credentials, push, request, row, show, smuggled, type Row } from './row.ts'

const line = 'PUT /syncs/progress'

/** What stands for the size of a first chunk. */
const sizes = [
  ['', ' ', 'x', 'g', '-1', '+1', '0x1', ' 1', '1.0', '1,', '"1"', '1 1', '\x001', '1\0', '1\x0b', '\xa01', '--'],
  ['1:', '1\xff'],
  ['fffffffffffffffff', '10000000000000000', 'ffffffffffffffffffffffff', 'f'.repeat(1000), '1\r', '\r1', '\n1'],
  ['1\n'],
].flat()

/** What follows a chunk of one byte, a brace, that is not the CRLF. */
const ends = ['\n', '\r', '\n\r', '', 'x', '\r\r\n', '}\r\n', '\0\r\n', ' \r\n', '\r\0\n']

/** What stands between the last chunk and the empty line. */
const trailers = ['x', ': x', ' x: y', 'x y: z', 'x : y', 'x\0: y', 'x: \0', 'x: a\rb', 'x: a\nb', 'x: \x7f']

/** What stands behind the size. */
const extensions = [';\0', ';a=\0', ';a="\0"', ';a\x7f', ';a="b', ';a=b\rc', ';a\nb', ';a="b\r\nc"', ';a=b c', ';"']

/** Chunks that are none, each followed by a request that must not be heard. */
export function chunkRows(): Row[] {
  const send = (chunks: string): string => request(line, [...credentials, 'Transfer-Encoding: chunked']) + chunks
  const bad = (name: string, chunks: string): Row => row(name, '400 400', send(chunks + smuggled))
  return [
    ...sizes.map((size) => bad(`a chunk of size ${show(size)}`, `${size}\r\n{\r\n0\r\n\r\n`)),
    ...ends.map((end) => bad(`a chunk that ends in ${show(end)}`, `1\r\n{${end}0\r\n\r\n`)),
    ...extensions.map((extension) => bad(`a chunk with ${show(extension)}`, `1${extension}\r\n{\r\n0\r\n\r\n`)),
    ...trailers.map((trailer) => bad(`a trailer ${show(trailer)}`, `1\r\n{\r\n0\r\n${trailer}\r\n\r\n`)),
    bad('LF for CRLF in all chunks', '1\n{\n0\n\n'),
    bad('a chunk extension of 17 KB', `1;${'x'.repeat(17_000)}\r\n{\r\n0\r\n\r\n`),
    row('a trailer of 17 KB', '431 431', send(`1\r\n{\r\n0\r\nx: ${'y'.repeat(17_000)}\r\n\r\n`)),
    ...goodChunks.map(([name, chunks, expect]) => row(name, expect, send(chunks))),
    ...wrongPlaces(),
  ]
}

/** Chunks of a body that is none. */
const goodChunks: [name: string, chunks: string, expect: string][] = [
  ['a last chunk with many zeros', '1\r\n{\r\n00000000000000000000\r\n\r\n', '400 103'],
  ['a chunk with leading zeros', '0000000000000001\r\n{\r\n0\r\n\r\n', '400 103'],
  ['chunk extensions', '1;a=b;c="d";e\r\n{\r\n0;f\r\n\r\n', '400 103'],
  ['chunk extensions of 17 KB in all', `${`1;${'x'.repeat(100)}\r\n{\r\n`.repeat(170)}0\r\n\r\n`, '400 103'],
  ['three thousand chunks', `${'1\r\n{\r\n'.repeat(3000)}0\r\n\r\n`, '400 103'],
  ['17,000 chunks', `${'1\r\n \r\n'.repeat(17_000)}0\r\n\r\n`, '413 413'],
  ['two chunks of 10 KB', `${`2710\r\n${' '.repeat(10_000)}\r\n`.repeat(2)}0\r\n\r\n`, '413 413'],
  ['a chunk of 4 GiB that begins', `ffffffff\r\n${' '.repeat(20_000)}`, '413 413'],
  ['a chunk of 8 EiB that begins', `7fffffffffffffff\r\n${' '.repeat(20_000)}`, '413 413'],
  ['a trailer that is a length', '1\r\n{\r\n0\r\nContent-Length: 999\r\n\r\n', '400 400'],
  ['a trailer that is an encoding', '1\r\n{\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n', '400 400'],
  ['a trailer that is a user', '1\r\n{\r\n0\r\nx-auth-user: root\r\n\r\n', '400 103'],
  ['a trailer that is __proto__', '1\r\n{\r\n0\r\n__proto__: x\r\n\r\n', '400 103'],
]

/** Bad chunks where nobody reads them: the answer may be on its way when the chunk arrives, and be followed by another. */
function wrongPlaces(): Row[] {
  const body = JSON.stringify(push)
  return ['GET /healthcheck', 'PUT /nope', 'PATCH /users/me', 'PUT /syncs/progress', 'OPTIONS /users/me'].map(
    (target) =>
      row(
        `bad chunks for ${target}`,
        ['400 400', '200, 400 400', '404 404, 400 400', '405 405, 400 400', '401 2001, 400 400', '204, 400 400'],
        request(target, ['Transfer-Encoding: chunked']) + `x\r\n${body}${smuggled}`,
      ),
  )
}
