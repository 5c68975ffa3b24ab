import t from 'tap'
import type { Progress } from '../../src/kosync/protocol.ts'
import { changesOf, isRestored, restore } from '../../src/library/restore.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { accountOf, byName } from '../store/by-name.ts'
import { pushed } from '../store/contract.ts'

const now = 1_800_000_000

async function alice(...rows: Partial<Progress>[]) {
  const store = new MemoryStore()
  await store.createUser({ username: 'alice', key: 'K' })
  for (const row of rows) await byName(store).putProgress('alice', { ...pushed, ...row })
  const account = await accountOf(store, 'alice')
  return { store, account, record: (await store.getProgress(account, 'abc'))! }
}

t.test('a restore is a push of another reader, newer than all that readers know', async (t) => {
  for (const [timestamp, expected] of [
    [now - 9, now],
    [now, now + 1],
    [now + 600, now + 601],
    // A clock that was wrong.
    [now + 86_401, now],
  ] as const) {
    const { store, account, record } = await alice({ timestamp: 5, device_id: 'A' }, { timestamp, percentage: 0.9 })
    const rows = await store.listHistory(account, 'abc')
    const [first] = rows
    const stored = await restore({ store, admin: store }, account, { record, rows }, first!, now * 1000 + 999)
    t.match(stored, { percentage: 0.5, progress: '56', device: 'kss', device_id: 'kss', timestamp: expected })
    t.ok(isRestored(stored))
    t.notOk(isRestored(record))
  }
})

t.test('a restore that is done twice is one change', async (t) => {
  const { store, account, record } = await alice({ timestamp: 5 }, { timestamp: 7, percentage: 0.9 })
  const rows = await store.listHistory(account, 'abc')
  const [first] = rows
  const once = await restore({ store, admin: store }, account, { record, rows }, first!, now * 1000)
  const after = await store.listHistory(account, 'abc')
  t.match(await restore({ store, admin: store }, account, { record: once, rows: after }, first!, now * 1000), {
    percentage: 0.5,
    device: 'kss',
  })
  t.equal((await store.listHistory(account, 'abc')).length, 3)
})

t.test('a restore keeps the title and what the reader said of the book, and nothing else of the row', async (t) => {
  const metadata = { title: 'Dune' }
  const { store, account, record } = await alice({ timestamp: 5, title: 'Mine', metadata }, { timestamp: 7 })
  const rows = await store.listHistory(account, 'abc')
  const row = { ...pushed, title: 'no', metadata: { title: 'no' }, device: 'Kobo', timestamp: 1 }
  t.match(await restore({ store, admin: store }, account, { record, rows }, row, now * 1000), {
    title: 'Mine',
    metadata,
    device: 'kss',
  })
})

t.test('the record is the last change, also where it is no row', async (t) => {
  const [one, two] = [pushed, { ...pushed, progress: '57' }]
  t.same(changesOf([one, two], { ...two, timestamp: 9 }), [one, two])
  t.same(changesOf([one], two), [one, two])
  t.same(changesOf([], one), [one])
})
