import { bodyRoutes, chunked, hex, request, row, show, utf8, type Row } from './row.ts'

const notUtf8 = ['80', 'ff', 'c0 af', 'e0 80 af', 'e2 82', 'ed a0 80', 'ed a0 80 ed b0 80', 'f4 90 80 80', 'fe ff']

const notJson = [
  ['', ' ', '\r\n\r\n', '{', '}', '{]', '{"a"}', '{"a":}', '{"a":1,}', '{,}', '{"a" 1}', "{'a':1}", '{a:1}'],
  ['{"a":1'],
  ['{"a":1}{"b":2}', '{"a":1}x', '{"a":1}\0', '\0', '{"a":"\0"}', '{"a":"\n"}', '{"a":"\t"}', '{"a":"\x1f"}'],
  ['{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"', '"\\', 'NaN', 'Infinity', '{"a":NaN}', '{"a":-Infinity}', 'undefined'],
  ['{"a":01}', '{"a":.5}', '{"a":1.}', '{"a":+1}', '{"a":0x10}', '{"a":1e}', '{"a":1_0}', 'TRUE', 'nul'],
  ['{} // a', '/* a */ {}', '<?xml version="1.0"?><a/>', 'username=ann&password=x', '---\na: 1', '\v{}', '\f{}'],
  // In two passes of UTF-8; as UTF-16; compressed; MessagePack; CBOR; BSON
  [utf8(utf8('\ufeff')) + '{}', hex('7b007d00'), hex('fffe 7b007d00'), hex('feff 007b 007d')],
  [hex('1f8b0800000000000003abae05004 3bfa6a302000000'.replaceAll(' ', '')), hex('81a16101'), hex('a1616101')],
  [hex('0c0000001061000100000000'), '[[', '['.repeat(10), '['.repeat(8000), '{"a":'.repeat(1000)],
  ['{"a":[0,'.repeat(1000)],
  // What would change every object, or the object that it becomes
  ['{"__proto__":{"polluted":1}}', '{"__proto__":null}', '{"\\u005f_proto__":{}}'],
  ['{"a":{"__proto__":{"polluted":1}}}'],
  ['{"a":[[{"__proto__" : 1}]]}', '{"constructor":{"prototype":{"polluted":1}}}', '{"__proto__":1,"__proto__":2}'],
  ['{"a":{"constructor":{"prototype":{}}}}', '{"\\u0063onstructor":{"prototype":{"polluted":1}}}'],
  `{"__proto__":${'['.repeat(7000)}${']'.repeat(7000)}}`,
  notUtf8.flatMap((digits) => [hex(digits), `{"a":"${hex(digits)}"}`, `{"${hex(digits)}":1}`]),
].flat()

const notAnObject = [
  ['null', 'true', 'false', '0', '-1', '1e999', '-1e999', '1e-999', '"text"', '""', '"{}"', '[]', '[{}]', '[1,2]'],
  [' [] '],
  ['[{"username":"eve","password":"x"}]', '[["document","eve"]]', '"__proto__"', '["__proto__"]', '9'.repeat(1000)],
  [10, 1000, 8000].map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
].flat()

const bodies = [
  ...notJson.map((body) => ({ body, expect: '400 103' })),
  ...notAnObject.map((body) => ({ body, expect: '400 104' })),
]

/** Each body that is no JSON object, on each route that reads one, in each way to say what it is. */
export function bodyRows(): Row[] {
  return bodyRoutes.flatMap(({ line, headers }) =>
    bodies.flatMap(({ body, expect }) => [
      row(`${line}: ${show(body)}`, expect, request(line, [...headers, 'Content-Type: application/json'], body)),
      row(
        `${line}: ${show(body)} of a type that is none`,
        expect,
        request(line, [...headers, 'Content-Type: none; charset=utf-16'], body),
      ),
      row(`${line}: ${show(body)} in a chunk, of no type`, expect, chunked(line, headers, body)),
    ]),
  )
}
