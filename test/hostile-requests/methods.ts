import { credentials, message, push, request, row, show, type Row } from './row.ts'

/** The paths, and the methods that each has. */
const paths: [path: string, ...methods: string[]][] = [
  ['/healthcheck', 'GET', 'HEAD', 'OPTIONS'],
  ['/users/create', 'POST', 'OPTIONS'],
  ['/users/auth', 'GET', 'HEAD', 'OPTIONS'],
  ['/users/password', 'PUT', 'OPTIONS'],
  ['/users/me', 'DELETE', 'OPTIONS'],
  ['/syncs/progress', 'PUT', 'OPTIONS'],
  ['/syncs/progress/canary', 'GET', 'HEAD', 'OPTIONS'],
]

const standard = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'TRACE']

/** Of WebDAV and others: Node knows them, kss does not. */
const foreign = [
  ['ACL', 'BIND', 'CHECKOUT', 'COPY', 'LINK', 'LOCK', 'M-SEARCH', 'MKCALENDAR', 'MKCOL', 'MOVE', 'NOTIFY', 'PROPFIND'],
  ['PROPPATCH', 'PURGE', 'REBIND', 'REPORT', 'SEARCH', 'SOURCE', 'SUBSCRIBE', 'UNBIND', 'UNLINK', 'UNLOCK'],
].flat()

/** Node's parser knows none of these; some are of other protocols, or it knows them there only. */
const unknown = [
  ['get', 'Get', 'gET', 'GETT', 'GE', 'G', 'FOO', 'BREW', 'put', 'DESCRIBE', 'SETUP', 'PLAY', 'ANNOUNCE', 'FLUSH'],
  ['G E T', '\0GET', 'GET\0', '\tGET', ' GET', 'GET\t', 'GET/', '(GET)', 'GET,', '\x80', 'G\xc9T', '', '*', '/', '-'],
  ['1'],
  ['X'.repeat(20_000), '__proto__', 'constructor', 'GET GET', 'PRI', 'HTTP/1.1'],
].flat()

const versions = [
  ['HTTP/1.2', 'HTTP/1.9', 'HTTP/3.0', 'HTTP/0.0', 'HTTP/9.9', 'HTTP/1.10', 'HTTP/01.1', 'HTTP/11', 'HTTP/1'],
  ['HTTP/1.'],
  ['HTTP/', 'HTTP', 'http/1.1', 'Http/1.1', 'HTPP/1.1', 'HTTP/-1.1', 'HTTP/1,1', 'HTTP/1.1 x', 'HTTP/1.1x'],
  ['HTTP /1.1'],
  ['HTTP/ 1.1', 'HTTP/1. 1', 'HTTP\\1.1', 'ICE/1.0', 'HTTPS/1.1', '\0HTTP/1.1', 'HTTP/1.1\0', 'HTTP/٣.1'],
].flat()

export function methodRows(): Row[] {
  return [
    ...paths.flatMap(([path, ...methods]) =>
      [...standard, 'QUERY'].filter((method) => !methods.includes(method)).map((method) => refused(method, path)),
    ),
    ...foreign.flatMap((method) =>
      ['/healthcheck', '/syncs/progress'].map((path) =>
        row(`${method} ${path}`, '404 404', request(`${method} ${path}`, credentials)),
      ),
    ),
    ...unknown.map((method) => row(`method ${show(method)}`, '400 400', request(`${method} /healthcheck`))),
    ...versions.map((version) =>
      row(`version ${show(version)}`, '400 400', message(`GET /healthcheck ${version}`, ['Host: kss'])),
    ),
    // RTSP has a GET too, to Node's parser; it is answered in HTTP.
    row('version RTSP/1.0', '200', message('GET /healthcheck RTSP/1.0')),
    ...connectRows(),
  ]
}

function refused(method: string, path: string): Row {
  const expected = row(`${method} ${path}`, '405 405', request(`${method} ${path}`, credentials, JSON.stringify(push)))
  return method === 'HEAD' ? { ...expected, expect: ['405'], bodiless: true } : expected
}

function connectRows(): Row[] {
  const targets = [
    'kss:80',
    'evil.example:443',
    '127.0.0.1:22',
    '[::1]:22',
    '/',
    '/healthcheck',
    '*',
    'kss',
    'http://kss/',
  ]
  return targets.map((target) => row(`CONNECT ${target}`, '405 405', request(`CONNECT ${target}`, credentials)))
}
