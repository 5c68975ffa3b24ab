import { credentials, hex, key, push, request, row, show, utf8, type Row } from './row.ts'

const basic = (bytes: string): string => `Authorization: Basic ${Buffer.from(bytes, 'latin1').toString('base64')}`

/** Keys that are not ann's. The form of a hash opens nothing either. */
const wrongKeys = [
  [
    '',
    'x',
    key.toUpperCase(),
    `${key}0`,
    key.slice(1),
    `0${key}`,
    'secret',
    '*',
    'null',
    'true',
    '0',
    `${key}\xff`,
    `"${key}"`,
  ],
  '$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
].flat()

/** Names that nobody has, the last ones in bytes that are no UTF-8. */
const unknownUsers = [
  [
    '',
    'ANN',
    'Ann',
    'an',
    'annn',
    'eve',
    'ann:',
    'ann,ann',
    'ann\tann',
    '../ann',
    'ann/',
    './ann',
    'ann/.',
    'ann%00',
    '%61nn',
  ],
  [
    '*',
    '$ne',
    '{"$gt":""}',
    "' OR '1'='1",
    'ann"',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'auth.json',
  ],
  [utf8('\ufeffann'), utf8('ａｎｎ'), utf8('ann\u200b'), utf8('\u0430nn'), 'x'.repeat(256), 'x'.repeat(15_000)],
  ['\xff', '\x80', hex('c0af'), hex('eda080'), hex('f4908080'), `ann${hex('e282')}`],
].flat()

/** Values of Authorization that are no Basic credentials. */
const notBasic = [
  [
    '',
    ' ',
    'Basic',
    'Basic ',
    'basic',
    'Basic !',
    'Basic =',
    'Basic ====',
    'Basic YW5u',
    'Basic YW5uOnNlY3JldA= =',
    'Basic a b',
  ],
  [
    'Basic\tYW5uOnNlY3JldA==',
    'Basic:YW5uOnNlY3JldA==',
    'BasicYW5uOnNlY3JldA==',
    'Basic YW5uOnNlY3JldA==, x',
    'Basic ann:secret',
  ],
  [
    'Bearer YW5uOnNlY3JldA==',
    'Digest username="ann"',
    'Negotiate x',
    'NTLM x',
    'x',
    '\xff',
    'Basic \xff',
    `Basic ${'='.repeat(9000)}`,
  ],
].flat()

/** Basic credentials of nobody. */
const wrongBasic = [
  ['ann:', ':secret', ':', 'eve', 'ann:Secret', 'ANN:secret', 'eve:secret', 'ann:secret\0', 'ann\0:secret', '\0:\0'],
  [
    '\xff:secret',
    `${hex('c0af')}:secret`,
    `${hex('eda080')}:secret`,
    'ann:secret\n',
    ' : ',
    `ann:${key}`,
    'ann\n:secret',
  ],
  [`${'x'.repeat(5000)}:secret`, `ann:${'x'.repeat(5000)}`],
].flat()

/** Headers of a log-in: nobody's. */
const nobody: string[][] = [
  [],
  ['x-auth-user: ann'],
  [`x-auth-key: ${key}`],
  ['x-auth-user: ann', 'x-auth-user: ann', `x-auth-key: ${key}`],
  ['x-auth-user: ann', 'x-auth-user: eve', `x-auth-key: ${key}`],
  ['x-auth-user: ann', `x-auth-key: ${key}`, 'x-auth-key: x'],
  ['x-auth-user: ann', `x-auth-key: ${key}`, `x-auth-key: ${key}`],
  ['x_auth_user: ann', `x_auth_key: ${key}`],
  // x-auth wins over Basic where both are sent.
  ['x-auth-user: ann', 'x-auth-key: x', basic('ann:secret')],
  ['x-auth-user: eve', `x-auth-key: ${key}`, basic('ann:secret')],
  // Node keeps the first.
  [basic('eve:secret'), basic('ann:secret')],
  ...wrongKeys.map((wrong) => ['x-auth-user: ann', `x-auth-key: ${wrong}`]),
  ...unknownUsers.map(user),
  ...notBasic.map((value) => [`Authorization: ${value}`]),
  ...wrongBasic.map((text) => [basic(text)]),
]

/** Unusual, but somebody's. */
const somebody: string[][] = [
  ['X-AUTH-USER: ann', `X-AUTH-KEY: ${key}`],
  ['x-auth-user:ann', `x-auth-key:${key}`],
  ['x-auth-user: \t ann \t ', `x-auth-key: \t${key}\t`],
  ['x-auth-user: ', 'x-auth-key: ', basic('ann:secret')],
  [...credentials, 'Authorization: Basic !'],
  ['Authorization: bASIC   YW5uOnNlY3JldA==  '],
  ['Authorization: Basic YW5uOnNlY3JldA'],
  [basic(' ann :secret')],
  [basic('ann:secret'), 'Authorization: Basic !'],
]

/** Nobody gets in, whatever the route; somebody does. */
export function logInRows(): Row[] {
  const body = JSON.stringify(push)
  return [
    ...nobody.flatMap((headers) => [
      row(`log-in of ${show(headers.join('\r\n'))}`, '401 2001', request('GET /users/auth', headers)),
      row(`push of ${show(headers.join('\r\n'))}`, '401 2001', request('PUT /syncs/progress', headers, body)),
    ]),
    ...somebody.map((headers) =>
      row(`log-in of ${show(headers.join('\r\n'))}`, '200', request('GET /users/auth', headers)),
    ),
    ...otherRouteRows(),
  ]
}

/** An account that is not there can't be deleted; that is a 404, of everybody else's nothing is said. */
function otherRouteRows(): Row[] {
  const wrongKey = ['x-auth-user: ann', 'x-auth-key: x']
  const body = '{"password":"stolen"}'
  return [
    row('deletion by nobody', '401 2001', request('DELETE /users/me')),
    row('deletion with a wrong key', '401 2001', request('DELETE /users/me', wrongKey)),
    row('deletion of nobody', '404 2006', request('DELETE /users/me', user('eve'))),
    row('deletion of __proto__', '404 2006', request('DELETE /users/me', user('__proto__'))),
    row('deletion with a body that is none', '400 103', request('DELETE /users/me', credentials, '{')),
    row('deletion with a body that is not an object', '400 104', request('DELETE /users/me', credentials, '[]')),
    row('a new key from nobody', '401 2001', request('PUT /users/password', [], body)),
    row('a new key from one with a wrong one', '401 2001', request('PUT /users/password', wrongKey, body)),
    row('a new key for nobody', '401 2001', request('PUT /users/password', user('eve'), body)),
    row('nobody asks for a document', '401 2001', request('GET /syncs/progress/canary')),
    row('nobody asks for a document that is none', '401 2001', request('GET /syncs/progress/a:b')),
    row('nobody sends too much', ['401 2001'], request('PUT /syncs/progress', [], ' '.repeat(20_000))),
    row('nobody sends what is not JSON', '401 2001', request('PUT /syncs/progress', [], '{')),
  ]
}

function user(name: string): string[] {
  return [`x-auth-user: ${name}`, `x-auth-key: ${key}`]
}
