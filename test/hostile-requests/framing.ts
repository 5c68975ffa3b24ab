import { chunked, credentials, message, push, request, row, show, smuggled, utf8, type Row } from './row.ts'

const line = 'PUT /syncs/progress'
const body = JSON.stringify(push)
const head = ['Host: kss', ...credentials]

const transferEncodings = [
  ['xchunked', 'chunkedx', 'chunked, identity', 'chunked, gzip', 'chunked, x', 'identity', 'gzip', 'cow', 'x', ','],
  ['chunked,'],
  ['chunked;q=1', '"chunked"', "'chunked'", 'chunked x', 'x chunked', 'chun ked', 'chunke', '\x0bchunked'],
  ['chunked\x0b', 'chunked\0'],
  ['\0chunked', '\xa0chunked', 'chunked\xff', 'chunked\r', '\rchunked', utf8('ｃhunked'), 'chunked, chunked'],
  ['chunked:', '0'],
].flat()

/** Written so that one server sees it and another does not. */
const disguised = [
  ['Transfer-Encoding : chunked', ' Transfer-Encoding: chunked', 'Transfer-Encoding\t: chunked'],
  ['Transfer-Encoding\0: chunked'],
  ['X: y\rTransfer-Encoding: chunked', 'X: y\nTransfer-Encoding: chunked', 'X: y\r\n\tTransfer-Encoding: chunked'],
  ['Transfer-Encoding:\r\n chunked', 'Transfer-Encoding\r\n: chunked', 'Transfer-Encoding chunked'],
  ['\x0bTransfer-Encoding: chunked'],
  ['Transfer-Encoding: chunked\r\nTransfer-Encoding: cow'],
  ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
  ['\xefTransfer-Encoding: chunked', 'Transfer-Encoding: cow\r\nTransfer-encoding: x'],
  ['"Transfer-Encoding": chunked'],
].flat()

const lengths = [
  ['', 'x', '-1', '+5', '-0', '--5', '0x5', '5.0', '5e1', '1e3', '5 5', '5,5', '5, 5', '5,6', '5;', '5\t5', '"5"'],
  ['5x', 'x5'],
  ['\x0b5', '5\x0b', '5\0', '\xa05', utf8('٥'), 'NaN', 'Infinity', 'null', '0b1', '1_0', '5\r'],
  ['-9223372036854775808'],
  ['18446744073709551616', '99999999999999999999', '9'.repeat(1000), `${'9'.repeat(20)}e9`, '36893488147419103232'],
].flat()

/** Bytes of a body, far more than are sent or read. */
const tooLong = ['16385', '20000', '65536', '2147483648', '4294967296', '9007199254740993', '9223372036854775807']

export function framingRows(): Row[] {
  return [...encodingRows(), ...lengthRows()]
}

function encodingRows(): Row[] {
  const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  const length = `Content-Length: ${chunks.length}`
  const send = (...headers: string[]): string => message(`${line} HTTP/1.1`, [...head, ...headers], chunks + smuggled)
  return [
    row('length, then chunks', '400 400', send(length, 'Transfer-Encoding: chunked')),
    row('chunks, then length', '400 400', send('Transfer-Encoding: chunked', length)),
    row('chunks and length 0', '400 400', send('Transfer-Encoding: CHUNKED', 'Content-Length: 0')),
    row('chunks and two lengths', '400 400', send('Transfer-Encoding: chunked', length, 'Content-Length: 0')),
    row('no encoding', '400 400', send('Transfer-Encoding: ')),
    // As if it were not there, to the parser of Node 20; Node 24 refuses it.
    row(
      'no encoding, and a length',
      ['400 103', '400 400'],
      message(`${line} HTTP/1.1`, [...head, 'Transfer-Encoding: ', length], chunks),
    ),
    row('chunks and no length that is one', '400 400', send('Transfer-Encoding: chunked', 'Content-Length: x')),
    ...transferEncodings.flatMap((coding) => [
      row(`Transfer-Encoding: ${show(coding)}`, '400 400', send(`Transfer-Encoding: ${coding}`)),
      row(`Transfer-Encoding: ${show(coding)}, and a length`, '400 400', send(`Transfer-Encoding: ${coding}`, length)),
      row(`a length, and Transfer-Encoding: ${show(coding)}`, '400 400', send(length, `Transfer-Encoding: ${coding}`)),
    ]),
    ...disguised.flatMap((header) => [
      row(show(header), '400 400', send(header)),
      row(`${show(header)} and a length`, '400 400', send(header, length)),
    ]),
  ]
}

function lengthRows(): Row[] {
  const send = (...values: string[]): string => {
    const headers = values.map((value) => `Content-Length: ${value}`)
    return message(`${line} HTTP/1.1`, [...head, ...headers], `{"a":${smuggled}`)
  }
  return [
    ...lengths.map((value) => row(`Content-Length: ${show(value)}`, '400 400', send(value))),
    ...lengths.map((value) => row(`Content-Length: 5, then ${show(value)}`, '400 400', send('5', value))),
    row('the length twice, the same', '400 400', send('5', '5')),
    row('the length twice, another', '400 400', send('5', '6')),
    ...tooLong.map((value) => row(`Content-Length: ${value}`, '413 413', send(value))),
    row(
      'a body of 16 KiB and a byte',
      '413 413',
      request(line, credentials, `${body}${' '.repeat(16_385 - body.length)}`),
    ),
    row('a body of 1 MiB', '413 413', request(line, credentials, ' '.repeat(2 ** 20))),
    row('a registration of 20 KB', '413 413', request('POST /users/create', [], ' '.repeat(20_000))),
    row(
      'a new key of 20 KB',
      '413 413',
      request('PUT /users/password', credentials, `{"password":"${'x'.repeat(20_000)}"}`),
    ),
    row('a deletion of 20 KB', '413 413', request('DELETE /users/me', credentials, ' '.repeat(20_000))),
    row('20 KB in a chunk', '413 413', chunked(line, credentials, ' '.repeat(20_000))),
  ]
}
