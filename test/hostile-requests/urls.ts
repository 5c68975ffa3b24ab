import { credentials, request, row, show, utf8, type Row } from './row.ts'

/** Paths behind /syncs/progress/ and how the request for them is answered. */
const documents: [expect: string, ...ids: string[]][] = [
  // Ids with a colon, and ids that are too long, cannot have been pushed.
  ['403 2004', 'a:b', 'a%3ab', 'a%3Ab', ':', '%3a', 'a/b:c', 'x'.repeat(1025), '%41'.repeat(1025)],
  ['403 2004', 'x'.repeat(15_000)],
  ['403 2004', '%F0%9F%98%80'.repeat(1025), '../'.repeat(400), 'a:b?c=d', 'javascript:alert(1)', 'C:%5cWindows'],
  // Not URLs, or not UTF-8.
  ['400 400', '%', '%2', '%zz', '%%', '%u0041', '%g0', '%2%65', 'a%', '%00%', '%\xe2', '%-1'],
  ['400 400', '%80', '%ff', '%c0%af', '%c0%80', '%e0%80%af', '%e2%82', '%ed%a0%80', '%ed%a0%80%ed%b0%80'],
  ['400 400', '%f4%90%80%80'],
  ['400 400', '%c0%ae%c0%ae%c0%af', '%fe%ff', '%f8%88%80%80%80'],
  ['400 400', utf8('é'), utf8('😀'), '\xff', '\xc0\xaf', '\xed\xa0\x80'],
  ['400 400', 'a\0b', '\x01', '\x08', '\x1b', '\x1f', '\x7f', 'a\tb', 'a b', 'a\x0bb', 'a\rb'],
  // Names, and no more than that: nobody has pushed them.
  ['200', '..', '.', '../x', '../../../../etc/passwd', '..%2f', '..%2f..%2fetc%2fpasswd', '%2e%2e%2fx', '%2e%2e/x'],
  ['200', '..%5c..%5cx'],
  ['200', '%252e%252e%252f', '..;/x', './x', 'x/..', '....//x', '%00', 'a%00b', '%00.json', '..%00'],
  ['200', '%0d%0aSet-Cookie%3a'.slice(0, -3)],
  ['200', '%0a', '%0d', '%1b%5b31m', '%7f', '%c2%85', '%e2%80%ae', '%ef%bf%bf', '%ef%bb%bf', '*', '**', '~', '$'],
  ['200', '$(id)', '`id`'],
  ['200', '{{7*7}}', '${7*7}', '<script>', '"', "'", "'%20OR%201=1--", '|', '\\', '\\\\x\\y', '^', '[]', '[0]', '{}'],
  ['200', '__proto__'],
  ['200', 'constructor', 'constructor/prototype', 'toString', 'hasOwnProperty', 'auth.json', 'history', 'CON'],
  ['200', 'nul.json'],
  ['200', 'x'.repeat(1024), '%F0%9F%98%80'.repeat(1024)],
  ['200', 'x?document=canary', 'x?__proto__[polluted]=1', 'x?constructor[prototype][polluted]=1', 'x?%zz=%'],
  ['200', 'x?a=%ff', 'x?'],
  ['200', `x?${'a=1&'.repeat(3000)}`, `x?${'['.repeat(10_000)}`, 'x?a[]=1&a[b]=2', 'x??', 'x#canary', 'x?#', 'x&y'],
  ['200', 'x;canary'],
]

/** Targets of a GET, other than of documents. */
const targets: [expect: string | string[], ...targets: string[]][] = [
  ['404 404', '/', '//', '/x', '/nope', '/.', '/..', '/./healthcheck', '/../healthcheck', '/healthcheck/..'],
  ['404 404', '/healthcheck/x'],
  ['404 404', '/users', '/users/', '/users/ann', '/users/auth/x', '/users/auth.json', '/users%2fauth', '/Users/Auth'],
  ['404 404', '/USERS/AUTH'],
  ['404 404', '/syncs', '/syncs/', '/syncs/progres', '/SYNCS/PROGRESS/canary', '/syncs%2fprogress/canary'],
  ['404 404', '/syncs\\progress\\canary'],
  ['404 404', '/%2e%2e/healthcheck', '/healthcheck%00', '/healthcheck%20', '/healthcheck%2f', '/healthcheck;x'],
  ['404 404', '/healthcheck%3f'],
  ['404 404', '/.git/config', '/.env', '/wp-login.php', '/etc/passwd', '/cgi-bin/.%2e/.%2e/bin/sh', '/admin'],
  ['404 404', '/favicon.ico'],
  ['404 404', '/__proto__', '/constructor', '/hasOwnProperty', '/toString', '/*', '/:', '/:document', '/healthcheck*'],
  ['404 404', '//evil.example/healthcheck', '/http://kss/healthcheck', '/%F0%9F%98%80'],
  ['405 405', '/syncs/progress', '/syncs/progress/', '//syncs//progress', '/syncs/progress?document=canary'],
  ['405 405', '/syncs/progress/#', '/users/create', '/users/me'],
  // The document is a slash, or begins with one.
  ['401 2001', '//syncs//progress//', '/syncs/progress//canary'],
  ['401 2001', '//users//auth', '/users/auth/', '/users/auth//', '/users/auth?x-auth-user=ann', '/users/%61uth'],
  // Absolute form, RFC 9112 §3.2.2: whoever it names, there is one server here.
  ['200', 'http://kss/healthcheck', 'http://evil.example/healthcheck', 'https://kss/healthcheck'],
  ['200', 'http://a:b@kss:1/healthcheck'],
  ['404 404', 'http://kss', 'http://kss/', 'http://kss/nope', 'ftp://kss/healthcheck', 'file:///etc/passwd'],
  // Neither a path nor a URL.
  ['400 400', 'healthcheck', 'kss:80', 'kss', '?x', '#', '\\healthcheck', '%2fhealthcheck', 'http:/healthcheck'],
  ['400 400', 'http:healthcheck'],
  ['400 400', '', '\t/healthcheck', '"/healthcheck"', '\x00', '\xff', '\xef\xbb\xbf/healthcheck', '://', '//\x01'],
  ['400 400', '/healthch%', '/healthcheck\xff', '/\xc0\xaf', 'http://'],
  // Node's parser takes more than one blank.
  ['200', ' /healthcheck', '    /healthcheck'],
  ['404 404', '*', '**'],
  ['431 431', `/${'x'.repeat(17_000)}`, `/healthcheck?${'x'.repeat(17_000)}`, `/${'%41'.repeat(6000)}`],
  ['431 431', '/'.repeat(17_000)],
  ['200', `/healthcheck?${'x'.repeat(15_000)}`, `${'/'.repeat(15_000)}healthcheck`],
  ['200', `/healthcheck${'/'.repeat(15_000)}`],
]

export function urlRows(): Row[] {
  return [
    ...documents.flatMap(([expect, ...ids]) =>
      ids.map((id) => row(`asks for document ${show(id)}`, expect, request(`GET /syncs/progress/${id}`, credentials))),
    ),
    ...targets.flatMap(([expect, ...list]) =>
      list.map((target) => row(`asks for ${show(target)}`, expect, request(`GET ${target}`))),
    ),
  ]
}
