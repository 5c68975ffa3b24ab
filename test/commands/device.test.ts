import t from 'tap'
import { run, runJson } from './run.ts'
import { now, places, serveHere, stateFolder } from './state-fixture.ts'
import { byName } from '../store/by-name.ts'

t.test('the readers of an account are told with when they were seen', async (t) => {
  const dir = await stateFolder(t)
  const [first, second, third, fourth] = places.map(({ timestamp }) => timestamp)
  t.same(await runJson(dir, 'device', 'list', 'alice'), [
    { device_id: 'KOBO-ID', names: ['Kobo'], first_seen: second, last_seen: fourth, pushes: 2 },
    { device_id: 'PHONE-ID', names: ['Phone'], first_seen: first, last_seen: third, pushes: 2 },
  ])
  const { stdout } = await run(dir, 'device', 'list', 'alice')
  t.match(stdout, /^NAME +ID +FIRST SEEN +LAST SEEN +PUSHES\nKobo +KOBO-ID +\d{4}-.* 2\nPhone +PHONE-ID +.* 2\n$/)
})

t.test('a push that only repeats counts as seen, also of a moment ago', async (t) => {
  const dir = await stateFolder(t)
  const server = await serveHere(t, dir)
  const store = await runJson<{ timestamp: number }>(dir, 'history', 'restore', 'alice', 'Dune', '1')
  t.ok(store.timestamp >= now)
  t.match(await runJson(dir, 'device', 'list', 'alice'), [
    { device_id: 'kss', last_seen: store.timestamp, pushes: 1 },
    {},
    {},
  ])
  await server.close()
})

t.test('who has pushed nothing, or is not there, is one line', async (t) => {
  const dir = await stateFolder(t, (store) => store.createUser({ username: 'bob', key: 'K' }))
  t.match(await run(dir, 'device', 'list', 'bob'), { code: 0, stdout: 'bob has pushed nothing yet.\n' })
  const stderr = 'There is no user carl. See: kss user list\n'
  t.match(await run(dir, 'device', 'list', 'carl'), { code: 1, stderr })
})

t.test('a push that repeats the last position is seen at its own time', async (t) => {
  const last = places.at(-1)!
  const dir = await stateFolder(t, (store) => byName(store).putProgress('alice', { ...last, timestamp: now }))
  t.match(await runJson(dir, 'device', 'list', 'alice'), [{ device_id: 'KOBO-ID', last_seen: now, pushes: 3 }, {}])
})
