import { bodyRoutes, credentials, key, push, request, row, show, utf8, type Row } from './row.ts'

const [create, , progress] = bodyRoutes

const nest = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

/** Ids that look like an attack, and are a document's like any other: JSON, and the string. */
const documents = [
  ['../x', '..', '.', '/', '/etc/passwd', '..%2f', '%00', '%zz', 'a/b', 'a\\\\b', '__proto__', 'constructor'],
  ['hasOwnProperty', 'CON'],
  ['\\u0000', 'a\\u0000b', '\\r\\nx', ' ', ' x ', '*', '?', '#', 'auth.json', 'history', '.json', 'x'.repeat(1024)],
  [utf8('😀'.repeat(1024))],
  ['\\ud83d\\ude00', '\\u202e', '\\ufeff', '\\ufffe', '<script>', '${7*7}', '-rf', '~', '\\u007f', '\\u0085'],
  [utf8('é'), utf8('e\u0301')],
].flat()

const names = [
  ['__proto__', 'constructor', 'hasOwnProperty', '..', '.', '../x', '/', 'a/b', 'a\\\\b', 'CON', 'auth.json', '*'],
  ['%00', '%2e%2e', '~'],
  ['ANN', utf8('Ł'), utf8('😀'), utf8('é'), utf8('e\u0301'), '\\u202e', '\\u0085', 'x'.repeat(255)],
  [utf8('😀'.repeat(255)), '-rf', '$(id)'],
].flat()

/** Fields that kss does not know, or does not check: the push is stored without them. */
const extras = [
  ['"timestamp":1e999', '"timestamp":-1', '"timestamp":"x"', '"username":"eve"', '"device_id":1'],
  ['"device_id":"\\ud800"'],
  ['"device_id":{"a":1}', '"device_id":null', '"metadata":"x"', '"metadata":[]', '"metadata":{"title":"\\ud800"}'],
  ['"metadata":{"title":{"a":1},"x":1}', '"metadata":{"constructor":1}', '"constructor":1', '"toString":null'],
  ['"prototype":{}'],
  [10, 1000, 7900].flatMap((depth) => ['x', 'metadata', 'device_id'].map((field) => `"${field}":${nest(depth)}`)),
  ['"":""', '"x":1e999', `"x":${'9'.repeat(1000)}`, '"x":-0', '"\\u0000":1', '"\\ud800":1'],
  Array.from({ length: 1500 }, (_field, at) => `"${at}":0`).join(),
].flat()

const percentages = [
  '-1',
  '1e308',
  '-1e308',
  '1e-999',
  '-0',
  '5e-324',
  '"1e308"',
  '"+.5"',
  '"00001"',
  `"${'1'.repeat(64)}"`,
  '"1."',
]

/** What looks hostile and is not: it is stored, as a name and no more. */
export function oddRows(): Row[] {
  return [
    ...documents.map((text) => stored(JSON.parse(plain(text)) as string, `"document":"${text}"`)),
    ...extras.map((extra, at) => stored(`extra ${at}`, `"document":"extra ${at}",${extra}`)),
    ...percentages.map((value, at) =>
      stored(`percentage ${at}`, `"document":"percentage ${at}","percentage":${value}`),
    ),
    ...names.map((text) => ({
      ...row(`registers ${show(text)}`, '201', request(create.line, [], `{"username":"${text}","password":"${key}"}`)),
      stores: `create ${JSON.parse(plain(text)) as string}`,
    })),
    {
      ...row('a key with every character that it may have', '201', request(create.line, [], oddKey)),
      stores: 'create odd key',
    },
  ]
}

const oddKey = `{"username":"odd key","password":"${utf8('a: "é😀\u0085')}\\\\"}`.replaceAll('a: "', 'a: \\"')

function stored(document: string, fields: string): Row {
  const { document: _document, ...others } = push
  const body = `{${JSON.stringify(others).slice(1, -1)},${fields}}`
  return {
    ...row(`pushes ${show(fields)}`, '200', request(progress.line, credentials, body)),
    stores: `put ann ${document}`,
  }
}

/** The JSON of a text that is in bytes. */
function plain(text: string): string {
  return `"${Buffer.from(text, 'latin1').toString()}"`
}
