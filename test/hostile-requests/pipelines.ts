import { chunked, credentials, message, request, row, smuggled, type Row } from './row.ts'

const line = 'PUT /syncs/progress'

/** Requests in a row, and in each other. */
export function pipelineRows(): Row[] {
  const health = request('GET /healthcheck')
  return [
    row('a request as the body of a GET', '200', request('GET /healthcheck', [], smuggled)),
    row('a request as the body of a log-in', '200', request('GET /users/auth', credentials, smuggled)),
    row('a request as the body of a request that is refused', '401 2001', request(line, [], smuggled)),
    row('a request as the body of a path that is none', '404 404', request('PUT /nope', [], smuggled)),
    row('a request as the body of a method that is none', '405 405', request('PATCH /users/me', [], smuggled)),
    row('a request as the body of a preflight', '204', request('OPTIONS /users/me', [], smuggled)),
    row('a request as a push', '400 103', request(line, credentials, smuggled)),
    row('a request in a chunk of a GET', '200', chunked('GET /healthcheck', [], smuggled)),
    row(
      'a request behind an upgrade',
      '200',
      request('GET /healthcheck', ['Connection: Upgrade', 'Upgrade: x'], smuggled),
    ),
    row('a hundred requests', Array(100).fill('200').join(', '), health.repeat(100)),
    row('a hundred paths that are none', Array(100).fill('404 404').join(', '), request('GET /nope').repeat(100)),
    row('good, bad, good', '200, 404 404, 200', health + request('GET /nope') + health),
    row(
      'a bad log-in, then a good one',
      '401 2001, 200',
      request('GET /users/auth') + request('GET /users/auth', credentials),
    ),
    // Node's parser reads on before the first is answered; its complaint then is the answer.
    row('good, then no request', ['200, 400 400', '400 400'], `${health}nonsense\r\n\r\n`),
    row('no request, then good', '400 400', `nonsense\r\n\r\n${smuggled}`),
    row(
      'two lengths, then good',
      '400 400',
      message(`${line} HTTP/1.1`, ['Host: kss', ...credentials, 'Content-Length: 0', 'Content-Length: 1'], smuggled),
    ),
    row(
      'more after the last request',
      ['200', '400 400'],
      request('GET /healthcheck', ['Connection: close']) + smuggled,
    ),
    row('CONNECT, then a tunnel', '405 405', request('CONNECT kss:80') + smuggled),
    row(
      'a length in HTTP/1.0, then more: Fastify closes after a body that is none',
      '400 103',
      message(`${line} HTTP/1.0`, [...credentials, 'Connection: keep-alive', 'Content-Length: 1'], '{') + health,
    ),
    row(
      'chunks in HTTP/1.0',
      '400 103',
      message(`${line} HTTP/1.0`, [...credentials, 'Transfer-Encoding: chunked'], '1\r\n{\r\n0\r\n\r\n'),
    ),
  ]
}
