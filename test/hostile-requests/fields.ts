import { bodyRoutes, key, push, request, row, show, utf8, type Row } from './row.ts'

type Fields = Record<string, unknown>

/** Characters, as they are in JSON, that are no text: half a pair, in each place. */
const loneSurrogates = ['\\ud800', '\\udfff', 'a\\udc00b', '\\ud83da', '\\ude00\\ud83d']

const controls = ['\\u0000', '\\u0001', '\\b', '\\t', '\\n', '\\f', '\\r', '\\u001b', '\\u001f', '\\u007f']

const notText = ['null', 'true', 'false', '0', '1', '1e999', '[]', '["a"]', '{}', '{"toString":"a"}', '{"length":1}']

const quoted = (texts: readonly string[]): string[] => texts.map((text) => `"${text}"`)

const document = [
  ...notText,
  ...quoted(['', 'a:b', ':', 'a:', ...loneSurrogates, 'x'.repeat(1025), utf8('😀'.repeat(1025)), 'x'.repeat(15_000)]),
]

const text = [...notText, ...quoted(loneSurrogates)]

const percentage = [
  ['null', 'true', 'false', '[]', '[0.5]', '{}', '1e999', '-1e999', '{"valueOf":1}', '[[1]]'],
  quoted(['', ' ', 'abc', 'NaN', 'Infinity', '-Infinity', '1e999', '-1e999', '1e99999999999', '0x10', '1_0']),
  quoted([' 1', '1 ']),
  quoted(['1\\n', '1,5', '--1', '1e', 'e1', '.', '50%', '1n', utf8('٣'), '1'.repeat(65), '\\u0000', '\\ud800']),
].flat()

const username = [
  ...notText,
  ...quoted(['', ' ', '   ', ':', 'a:b', 'a:', 'x'.repeat(256), 'x'.repeat(300), utf8('😀'.repeat(256))]),
  ...quoted([...loneSurrogates]),
  ...quoted(controls.flatMap((control) => [control, `eve${control}`])),
  ...quoted(['eve\\r\\nx-auth-user: root', 'eve\\u0000.json', '../../etc/passwd\\u0000']),
]

const password = [
  ...notText,
  ...quoted(['', ' ', ' a', 'a ', 'x'.repeat(1025), utf8('😀'.repeat(1025)), ...loneSurrogates]),
  ...quoted(controls.map((control) => `a${control}b`)),
]

const [create, change, progress] = bodyRoutes
const registration = { username: 'eve', password: key }

const tables: { route: { line: string; headers: readonly string[] }; valid: Fields; bad: Record<string, string[]> }[] =
  [
    { route: create, valid: registration, bad: { username, password } },
    { route: change, valid: { password: key }, bad: { password } },
    { route: progress, valid: push, bad: { document, percentage, progress: text, device: text } },
  ]

/** Each value that a field must not have, the field missing, and good values that a bad one of the same name follows. */
export function fieldRows(): Row[] {
  return tables.flatMap(({ route: { line, headers }, valid, bad }) =>
    Object.entries(bad).flatMap(([field, values]) => {
      const { [field]: good, ...others } = valid
      const expect = field === 'document' ? '403 2004' : '403 2003'
      const rest = JSON.stringify(others).slice(1, -1)
      const body = (...fields: string[]): string => `{${[rest, ...fields].filter((part) => part !== '').join()}}`
      const send = (name: string, content: string): Row =>
        row(`${line}: ${field} ${name}`, expect, request(line, headers, content))
      return [
        send('is missing', body()),
        send('is there with another case', body(`"${field.toUpperCase()}":${JSON.stringify(good)}`)),
        send('is there twice', body(`"${field}":${JSON.stringify(good)},"${field}":[]`)),
        send(
          'is there, but in an object',
          `{"a":${JSON.stringify(valid)}}`.replace('{"a"', `{${rest ? `${rest},` : ''}"a"`),
        ),
        ...values.map((value) => send(`is ${show(value)}`, body(`"${field}":${value}`))),
      ]
    }),
  )
}

/** Names that somebody has already, however they are written. */
export function takenRows(): Row[] {
  const taken = ['"ann"', '" ann"', '"ann "', '"  ann  "', '"\\u0061nn"', '"a\\u006en"']
  return taken.map((name) =>
    row(
      `registers ${show(name)}, which is taken`,
      '402 2002',
      request(create.line, [], `{"username":${name},"password":"another"}`),
    ),
  )
}
