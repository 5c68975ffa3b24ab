import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { readKosyncDotnet } from '../../src/import/kosync-dotnet.ts'
import { collect, failure } from './collect.ts'

const admin = { username: 'admin', password: 'secret' }

async function listen(t: Test, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function serve(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  t.teardown(() => server.closeAllConnections())
  return await listen(t, server)
}

/** A server that has these lists under these paths. */
function serveLists(t: Test, lists: Record<string, unknown>): Promise<string> {
  return serve(t, ({ url = '', headers }, response) => {
    const known = headers['x-auth-user'] === 'admin' && headers['x-auth-key'] === '5ebe2294ecd0e0f08eab7690d2a6ee69'
    const list = lists[url]
    if (known) response.statusCode = list === undefined ? 400 : 200
    else response.statusCode = 401
    response.end(JSON.stringify(known && list !== undefined ? list : { message: 'No' }))
  })
}

const document = {
  documentHash: 'b8a9c5b494e7c91ece4cb8407e746ec7',
  progress: '/body/DocFragment[28]/body/div/section/h1[1]/a/span/text().0',
  percentage: 0.3186,
  device: 'Kobo_nova',
  deviceId: 'F47D5CA7',
  timestamp: '2023-05-23T11:43:00.225+10:00',
}
const row = {
  document: document.documentHash,
  progress: document.progress,
  percentage: 0.3186,
  device: 'Kobo_nova',
  device_id: 'F47D5CA7',
  timestamp: 1_684_806_180,
}

t.test('reads all users and their documents, without keys', async (t) => {
  const url = await serveLists(t, {
    '/manage/users': [
      { id: 1, username: 'admin', isAdministrator: true, isActive: true, documentCount: 0 },
      { id: 2, username: 'Zoë & co', isAdministrator: false, isActive: true, documentCount: 1 },
    ],
    '/manage/users/documents?username=admin': [],
    '/manage/users/documents?username=Zo%C3%AB%20%26%20co': [document],
  })
  t.same(await collect(readKosyncDotnet(url, admin)), {
    users: [
      { username: 'admin', documents: [] },
      { username: 'Zoë & co', documents: [{ rows: [row] }] },
    ],
    problems: [],
  })
})

t.test('reads below a path, and names in another case', async (t) => {
  const { documentHash, progress, percentage, device, deviceId, timestamp } = document
  const url = await serveLists(t, {
    '/sync/manage/users': [{ Username: 'ann' }, { user_name: 'bob' }],
    '/sync/manage/users/documents?username=ann': [
      { DocumentHash: documentHash, Progress: progress, Percentage: percentage, Device: device, DeviceId: deviceId },
      { document_hash: 'snake', progress, percentage, device, device_id: deviceId, timestamp },
      { document: 'short', progress, percentage, device, device_id: deviceId, timestamp },
    ],
    '/sync/manage/users/documents?username=bob': [],
  })
  for (const address of [`${url}/sync`, `${url}/sync/?x#y`]) {
    t.same(await collect(readKosyncDotnet(address, admin)), {
      users: [
        {
          username: 'ann',
          documents: [
            // Without a time it is older than any other.
            { rows: [{ ...row, timestamp: 0 }] },
            { rows: [{ ...row, document: 'snake' }] },
            { rows: [{ ...row, document: 'short' }] },
          ],
        },
        { username: 'bob', documents: [] },
      ],
      problems: [],
    })
  }
})

t.test('what cannot come is a problem, and the others come', async (t) => {
  const url = await serveLists(t, {
    '/manage/users': [{ username: 'ann' }, { username: 'bob' }, { username: 'a:b' }, { id: 5 }, null, 'x'],
    '/manage/users/documents?username=ann': [{ ...document, progress: null }, null, document],
    '/manage/users/documents?username=a%3Ab': [document],
  })
  t.same(await collect(readKosyncDotnet(url, admin)), {
    users: [{ username: 'ann', documents: [{ rows: [row] }] }],
    problems: [
      `user "ann", document "${document.documentHash}": has no progress`,
      'user "ann", document undefined: has no document',
      `user "bob": ${url}/ answers with the status 400`,
      'user "a:b": cannot be a user name here',
      'a user without a name',
      'a user without a name',
      'a user without a name',
    ],
  })
})

const answers: [string, (response: ServerResponse) => void, RegExp][] = [
  ['401', (response) => response.writeHead(401).end('{}'), /refuses the name or the password/],
  ['404', (response) => response.writeHead(404).end(), /has no management API/],
  ['500', (response) => response.writeHead(500).end('oops'), /answers with the status 500$/],
  ['304 without a target', (response) => response.writeHead(304).end(), /answers with the status 304$/],
  [
    'a redirect',
    (response) => response.writeHead(302, { location: 'https://elsewhere.test/' }).end(),
    /redirects to "https:\/\/elsewhere.test\/"; give the address that needs no redirect$/,
  ],
  ['a page', (response) => response.end('<html>'), /does not answer with a list; is it a kosync-dotnet\?$/],
  ['no content', (response) => response.writeHead(204).end(), /does not answer with a list/],
  ['an object', (response) => response.end('{"users":[]}'), /does not answer with a list/],
  ['half of a body', (response) => response.writeHead(200, { 'content-length': 99 }).end('['), /cannot be read: /],
  ['nothing', () => {}, /cannot be read: The operation was aborted due to timeout$/],
  [
    'a body that does not end',
    (response) => response.write('['),
    /cannot be read: The operation was aborted due to timeout$/,
  ],
]

for (const [what, answer, message] of answers) {
  t.test(`says in a line that the server answers with ${what}`, async (t) => {
    const url = await serve(t, (_request, response) => answer(response))
    t.match(await failure(readKosyncDotnet(url, admin, 500)), message)
  })
}

t.test('says in a line that the server is not there, or does not speak HTTP', async (t) => {
  const gone = createServer()
  const url = await listen(t, gone)
  gone.close()
  await once(gone, 'close')
  t.equal(await failure(readKosyncDotnet(url, admin)), `${url}/ cannot be read: ECONNREFUSED`)
  t.equal(
    await failure(readKosyncDotnet('http://127.0.0.1:6000', admin)),
    'http://127.0.0.1:6000/ cannot be read: bad port',
  )
  const other = await listen(
    t,
    createTcpServer((socket) => socket.end('220 mail.test ESMTP\r\n')),
  )
  t.match(await failure(readKosyncDotnet(other, admin)), /cannot be read: /)
})

t.test('says in a line that the server answers without end', async (t) => {
  const chunk = ' '.repeat(1024 * 1024)
  const url = await serve(t, (_request, response) => {
    const more = (): void => {
      while (response.write(chunk));
      response.once('drain', more)
    }
    more()
  })
  const line = `${url}/ answers with more than 64 MiB; is it a kosync-dotnet?`
  t.equal(await failure(readKosyncDotnet(url, admin, 100_000)), line)
})

t.test('says in a line that the administrator cannot be called so', async (t) => {
  const url = await serveLists(t, {})
  t.match(await failure(readKosyncDotnet(url, { username: 'a\nb', password: 'secret' })), /cannot be read: /)
})

for (const url of [
  '',
  'localhost:8080',
  'ftp://localhost',
  'http://admin:secret@localhost',
  'http://admin@localhost',
]) {
  t.test(`says in a line that ${JSON.stringify(url)} is no address, and quotes no password`, async (t) => {
    const line = 'This is not the address of a kosync-dotnet. Write it as http://localhost:8080'
    t.equal(await failure(readKosyncDotnet(url, admin)), line)
  })
}
