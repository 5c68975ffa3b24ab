import t from 'tap'
import { showHeard } from '../../src/console/heard.ts'
import { Events } from '../../src/doctor/events.ts'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { position, Reader } from '../helper.ts'
import { openConsole } from './visitor.ts'

/** As a person reads it. */
const textOf = (page: string): string => page.replace(/<[^>]*>/g, '').replace(/\s+/g, ' ')

t.test('the page gives the address that the browser asked for, and the steps of each reader', async (t) => {
  const { reader } = openConsole(t, { basePath: '/kosync' })
  const ann = await reader()
  const { statusCode, body } = await ann.get('/help')
  t.equal(statusCode, 200)
  t.match(body, '<code>http://kss.local:8080/kosync</code>')
  for (const heading of ['KOReader', 'Readest', 'CrossPoint', 'Kios']) t.match(body, `<h2>${heading}</h2>`)
  t.match(body, 'erase that first')
})

t.test('behind a proxy with https it is that of the proxy', async (t) => {
  const { reader, visit } = openConsole(t, { trustedProxies: ['127.0.0.1'] })
  await reader()
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'sync.example', 'x-forwarded-for': '192.0.2.1' }
  const ann = visit({ ...headers, origin: 'https://sync.example' })
  await ann.signIn('ann')
  const { body } = await ann.get('/help')
  t.match(body, '<code>https://sync.example</code>')
  t.notMatch(body, 'http://')
  t.notMatch(body, 'erase that first')
})

t.test('on the machine itself it is what readers in the network can type', async (t) => {
  const { reader } = openConsole(t, {
    settings: { addresses: () => ['http://192.168.1.20:8080', 'http://10.0.0.2:8080'] },
  })
  const ann = await reader()
  const { body } = await ann.get('/help')
  t.match(body, '<li><code>http://192.168.1.20:8080</code></li>')
  t.match(body, '<li><code>http://10.0.0.2:8080</code></li>')
})

t.test('a machine without an address has none to show', async (t) => {
  const { reader } = openConsole(t, { settings: { addresses: () => [] } })
  const ann = await reader()
  t.equal((await ann.get('/help')).statusCode, 200)
})

t.test('an account without a push is told how to push, and that nothing went wrong', async (t) => {
  const { reader } = openConsole(t)
  const ann = await reader()
  const text = textOf((await ann.get('/help')).body)
  t.match(text, 'Nothing went wrong. Since this kss started, Tue, 01 Jan 2030 00:00 UTC;')
  t.match(text, 'There are no books: no reader has pushed any yet, or all were removed.')
})

t.test('what went wrong on a reader is on the page of that account alone, with its cure', async (t) => {
  const { app, clock, reader } = openConsole(t)
  const [ann, bob] = [await reader('ann'), await reader('bob')]
  await new Reader(app, 'ann').update(position)
  clock.now += 12 * 60_000
  await new Reader(app, 'ann', 'wrong').authorize()
  await new Reader(app, 'ann', 'wrong again').authorize()
  await new Reader(app, 'ann').update({ ...position, device: undefined })
  await new Reader(app, 'eve', 'wrong').authorize()
  const { body } = await ann.get('/help')
  const text = textOf(body)
  t.match(text, 'my kpw pushed abc 12 minutes ago.')
  t.match(
    text,
    /A log-in had a wrong password\. On the reader, tap Logout.* Tue, 01 Jan 2030 00:12 UTC, 2 times, from 127\.0\.0\.1/,
  )
  t.match(text, 'What a reader sent was refused: device is missing.')
  t.match(text, 'each knows its own part')
  t.notMatch(text, 'as eve')
  t.notMatch(text, 'kss user passwd', 'commands are for whoever runs the server')
  t.notMatch(body, keyOfPassword('wrong'))
  t.match(textOf((await bob.get('/help')).body), 'Nothing went wrong.')
})

t.test('an operator sees the commands, too', async (t) => {
  const { app, store, visit } = openConsole(t)
  await store.createUser({ username: 'root', key: new Reader(app).key })
  await store.setAdmin((await store.getUser('root'))!.account, true)
  const root = visit()
  await root.signIn('root')
  await new Reader(app, 'root', 'wrong').authorize()
  t.match(textOf((await root.get('/help')).body), 'kss user passwd root')
})

t.test('a wrong password in a browser is told, and a disabled account', async (t) => {
  const events = new Events()
  const { store, visit, reader } = openConsole(t, { events })
  await reader()
  const { account } = (await store.getUser('ann'))!
  const stranger = visit()
  await stranger.get('/')
  await stranger.post('/sign-in', { username: 'ann', password: 'wrong' })
  await stranger.post('/sign-in', { username: 'nobody', password: 'wrong' })
  t.match(events.list(account.id).events, [{ kind: 'wrongSignIn', address: '127.0.0.1' }])
  await store.setDisabled(account, true)
  await stranger.post('/sign-in', { username: 'ann', password: 'secret' })
  t.match(events.list(account.id).events, [{ kind: 'disabled' }, { kind: 'wrongSignIn' }])
  t.match(events.list().events, [])
})

t.test('what strangers name is text', async (t) => {
  const { app, reader } = openConsole(t)
  const ann = await reader()
  const evil = `<script>alert('1')</script>\u202e"`
  await new Reader(app).update({ ...position, device: evil, metadata: { title: evil } })
  const { body } = await ann.get('/help')
  t.match(body, '&lt;script&gt;alert(&#39;1&#39;)')
  t.notMatch(body, '<script>')
  const heard = { since: 0, basePath: '' }
  const event = { kind: 'unknownUser', address: evil, user: evil, detail: evil, count: 1, first: 0, last: 0 } as const
  t.notMatch(showHeard({ heard: { ...heard, events: [event] }, withCommands: true }).toString(), '<script>')
})

t.test('what the records tell is said with a link to the book', async (t) => {
  const { app, reader } = openConsole(t, { basePath: '/sync' })
  const ann = await reader()
  const metadata = { title: 'Emma', authors: 'Austen' }
  const body = (device: string): string => JSON.stringify({ ...position, document: device, device, metadata })
  const { headers } = new Reader(app)
  for (const device of ['Kobo', 'Phone'])
    await app.inject({ method: 'PUT', url: '/sync/syncs/progress', headers, body: body(device) })
  const page = (await ann.get('/help')).body
  t.match(textOf(page), 'Emma is there twice: Kobo and Phone have different files of it.')
  t.match(page, '<a href="/sync/books/Kobo">Open the book</a>')
})

t.test('a reader whose pushes go backwards is told, with a link to the book', async (t) => {
  const { app, clock, reader } = openConsole(t)
  const ann = await reader()
  const pushes = new Reader(app, 'ann')
  const metadata = { title: 'Emma' }
  const phone = { ...position, device: 'Phone', device_id: 'P', percentage: 0.02, metadata }
  await pushes.update({ ...position, device: 'Kobo', device_id: 'K', percentage: 0.62, metadata })
  t.notMatch(textOf((await ann.get('/help')).body), 'What your books tell')
  clock.now += 60_000
  await pushes.update(phone)
  const { body } = await ann.get('/help')
  t.match(textOf(body), 'Phone took Emma back from 62 %, where Kobo had been, to 2 %. If that was a mistake, go back.')
  t.match(body, '<a href="/books/abc">Open the book</a>')
  t.notMatch(body, 'kss history restore')
  await pushes.update({ ...phone, percentage: 0.7 })
  t.notMatch(textOf((await ann.get('/help')).body), 'What your books tell')
})

t.test('a time of the future is told, which a clock that went back leaves behind', async (t) => {
  const { app, clock, reader } = openConsole(t)
  const ann = await reader()
  clock.now += 2 * 86_400_000
  await new Reader(app, 'ann').update(position)
  clock.now -= 2 * 86_400_000
  t.match(textOf((await ann.get('/help')).body), 'The time of abc is in the future: 2030-01-03.')
})
