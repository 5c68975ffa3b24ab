import { randomInt } from 'node:crypto'
import t, { type Test } from 'tap'
import { kss, serve, type Server } from '../../commands/kss.ts'
import { folder } from '../../commands/state-fixture.ts'
import { noRedis, startRedis } from '../../redis.ts'
import { until } from '../../until.ts'
import { accountOf } from '../by-name.ts'
import { openOn } from './open.ts'

const rounds = 6
const pushesPerRound = 40
const headers = { 'x-auth-user': 'ann', 'x-auth-key': 'secret-key' }

for (const count of [2, 4]) {
  t.test(`of ${count} servers on one Redis, killed as it is, no acknowledged push is lost`, { skip: noRedis }, (t) =>
    killAtRandom(t, count),
  )
}

async function killAtRandom(t: Test, count: number): Promise<void> {
  const redis = await startRedis(t, '--appendonly', 'yes', '--appendfsync', 'always')
  const dir = await folder(t)
  const env = { KSS_STORE: redis.url, KSS_HISTORY_LIMIT: '0' }
  const start = (): Promise<Server> => serve(t, dir, [], env)
  const servers = await Promise.all(Array.from({ length: count }, start))
  const register = { method: 'POST', body: JSON.stringify({ username: 'ann', password: 'secret-key' }) }
  t.equal((await fetch(`${servers[0]!.url}/users/create`, register)).status, 201)

  const acknowledged: string[] = []
  const statuses = new Set<number>()
  const over = new AbortController()
  /** Pushes to a document of its own and to one of all, to any server. */
  const push = async (writer: number): Promise<void> => {
    for (let at = 0; !over.signal.aborted; at++) {
      const document = at % 2 === 0 ? 'shared' : `own-${writer}`
      const progress = `${writer}-${at}`
      const body = JSON.stringify({ document, percentage: 0.5, progress, device: `device ${writer}` })
      const { url } = servers[randomInt(count)]!
      const status = await fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body }).then(
        (answer) => answer.status,
        () => 0,
      )
      statuses.add(status)
      if (status === 200) acknowledged.push(`${document} ${progress}`)
    }
  }
  const writers = Promise.all([0, 1, 2, 3].map(push))
  for (let round = 0; round < rounds; round++) {
    const enough = acknowledged.length + pushesPerRound
    await until(() => acknowledged.length >= enough)
    // Every third time it is the engine; of the servers any.
    if (round % 3 === 2) {
      await redis.stop()
      await redis.start()
      continue
    }
    const at = randomInt(count)
    await servers[at]!.stop('SIGKILL')
    servers[at] = await start()
  }
  over.abort()
  await writers
  for (const { stop } of servers) t.equal(await stop(), 0)

  const store = await openOn(t, redis, 1)
  const ann = await accountOf(store, 'ann')
  const stored: string[] = []
  const told = new Set(acknowledged)
  for (const document of ['shared', 'own-0', 'own-1', 'own-2', 'own-3']) {
    const rows = await store.listHistory(ann, document)
    stored.push(...rows.map(({ progress }) => `${document} ${progress}`))
    const times = rows.map(({ timestamp }) => timestamp)
    t.same(
      times,
      times.toSorted((one, other) => one - other),
      `${document}: no time goes back`,
    )
    t.same(await store.getProgress(ann, document), rows.at(-1), `${document}: the record is the last row`)
    for (const writer of [0, 1, 2, 3]) {
      // What a killed server had sent may reach the engine late; nobody was told that it was stored.
      const own = rows
        .filter(({ progress }) => progress.startsWith(`${writer}-`) && told.has(`${document} ${progress}`))
        .map(({ progress }) => Number(progress.slice(2)))
      t.same(
        own,
        own.toSorted((one, other) => one - other),
        `${document}: writer ${writer} is in order`,
      )
    }
  }
  t.equal(new Set(stored).size, stored.length, 'no row is there twice')
  const known = new Set(stored)
  t.same(
    acknowledged.filter((each) => !known.has(each)),
    [],
  )
  t.ok(acknowledged.length >= rounds * pushesPerRound)
  // 0: killed before it answered.
  for (const status of statuses) t.ok([0, 200, 503].includes(status), `${status}`)
  t.comment(`${acknowledged.length} acknowledged, ${stored.length} stored`)
  const listed = await kss(t, ['doc', 'list', 'ann', '--json'], env)
  t.equal((JSON.parse(listed.stdout) as unknown[]).length, 5)
}
