import type { Test } from 'tap'
import type { Progress } from '../../src/kosync/protocol.ts'
import type { Account, Admin, Store } from '../../src/store/store.ts'
import { accountOf, byName } from './by-name.ts'

export const pushed: Progress = { document: 'abc', percentage: 0.5, progress: '56', device: 'kpw', timestamp: 1000 }

const names = [
  'ann',
  'Ann',
  'ANN',
  '../x',
  '..%2f',
  '..',
  '.',
  'auth',
  'AUTH',
  'history',
  'con',
  'a/b',
  'a\\b',
  '~',
  '%',
]
/** Users and documents that a careless file name would mix up, or lose. */
export const hardNames = [
  ...names,
  'nul\0byte',
  'x'.repeat(300),
  '李',
  'é'.normalize('NFC'),
  'é'.normalize('NFD'),
  ' ',
  '.tmp-',
]

/** A new account with the key `K`. */
async function create(store: Store, username: string): Promise<Account> {
  await store.createUser({ username, key: 'K' })
  return await accountOf(store, username)
}

/** What every store does. `open` gives a new, empty one. */
export function testStore(t: Test, open: (t: Test) => Promise<Store>): void {
  t.test('a user is there once created, as given', async (t) => {
    const store = await open(t)
    t.equal(await store.getUser('ann'), undefined)
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    t.match(await store.getUser('ann'), { username: 'ann', key: 'K' })
    t.equal(await store.createUser({ username: 'bob', key: 'L', disabled: true }), true)
    t.match(await store.getUser('bob'), { username: 'bob', key: 'L', disabled: true })
  })

  t.test('a name is given once, also when many ask at once', async (t) => {
    const store = await open(t)
    const created = await Promise.all(
      Array.from({ length: 12 }, (_, at) => store.createUser({ username: 'ann', key: `${at}` })),
    )
    t.equal(created.filter(Boolean).length, 1)
    t.equal((await store.getUser('ann'))?.key, String(created.indexOf(true)))
    t.equal(await store.createUser({ username: 'ann', key: 'late' }), false)
  })

  t.test('of two new keys for one account at once the first one is stored', async (t) => {
    const store = await open(t)
    const ann = await create(store, 'ann')
    const both = await Promise.allSettled([store.setKey(ann, '2'), store.setKey(ann, '3')])
    t.same(
      both.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    t.equal((await store.getUser('ann'))?.key, '2')
  })

  t.test('a key is upgraded only if it still is the one it was, and the account stays in its generation', async (t) => {
    const store = await open(t)
    const ann = await create(store, 'ann')
    await store.upgradeKey(ann, 'K', 'hash')
    await store.upgradeKey(ann, 'K', 'late')
    t.match(await store.getUser('ann'), { key: 'hash', account: ann })
  })

  const stale = {
    'a key that changed': (store: Store, ann: Account) => store.setKey(ann, 'new'),
    'an account that is gone': (store: Store, ann: Account) => store.deleteUser(ann),
    'another account of the same name': async (store: Store, ann: Account) => {
      await store.deleteUser(ann)
      await create(store, 'ann')
    },
  }
  for (const [name, change] of Object.entries(stale)) {
    t.test(`nothing is done for ${name}`, async (t) => {
      const store = await open(t)
      const ann = await create(store, 'ann')
      await store.putProgress(ann, pushed)
      await change(store, ann)
      const before = await store.getUser('ann')
      const isGone = name !== 'a key that changed'
      for (const act of [
        async () => await store.getProgress(ann, 'abc'),
        () => store.putProgress(ann, { ...pushed, progress: 'stale' }),
        () => store.addProgress(ann, { ...pushed, document: 'stale' }),
        () => store.listHistory(ann, 'abc'),
        () => store.setKey(ann, 'stale'),
        () => store.upgradeKey(ann, 'K', 'stale'),
        () => store.deleteUser(ann),
      ]) {
        await t.rejects(async () => void (await act()), { code: 'STALE_ACCOUNT', isGone })
      }
      t.same(await store.getUser('ann'), before)
      if (!before) return
      t.notMatch(await store.getProgress(before.account, 'abc'), { progress: 'stale' })
      t.equal(await store.getProgress(before.account, 'stale'), undefined)
    })
  }

  t.test('a record is what nextProgress makes of the push', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    const metadata = { title: 'Dune' }
    await byName(store).putProgress('ann', { ...pushed, timestamp: 2000, metadata, device_id: 'A' })
    const expected = { ...pushed, percentage: 0.1, timestamp: 2000, metadata }
    t.same(await byName(store).putProgress('ann', { ...pushed, percentage: 0.1 }), expected)
    t.same(await byName(store).getProgress('ann', 'abc'), expected)
  })

  t.test('of many pushes at once the one answered last is stored, and each is in the history', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    let last: Progress | undefined
    await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        last = await byName(store).putProgress('ann', { ...pushed, progress: `${at}` })
      }),
    )
    t.same(await byName(store).getProgress('ann', 'abc'), last)
    const history = await byName(store).listHistory('ann', 'abc')
    t.same(
      history.map(({ progress }) => progress),
      Array.from({ length: 50 }, (_, at) => `${at}`),
    )
  })

  t.test('history holds every change, oldest first, as it was pushed', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    await byName(store).putProgress('ann', { ...pushed, timestamp: 2000, device_id: 'A', metadata: { title: 'Dune' } })
    await byName(store).putProgress('ann', pushed)
    t.same(await byName(store).listHistory('ann', 'abc'), [
      { ...pushed, timestamp: 2000, device_id: 'A', metadata: { title: 'Dune' } },
      { ...pushed, timestamp: 2000 },
    ])
    t.same(await byName(store).listHistory('ann', 'unknown'), [])
  })

  t.test(
    'a push that repeats the last position of the same device is no row of the history, but its time counts',
    async (t) => {
      const store = await open(t)
      await store.createUser({ username: 'ann', key: 'K' })
      const [first, other] = [
        { ...pushed, device_id: 'A' },
        { ...pushed, device_id: 'B' },
      ]
      for (const [at, push] of [first, first, other, other, first].entries()) {
        await byName(store).putProgress('ann', { ...push, timestamp: 2000 + at })
      }
      await byName(store).putProgress('ann', { ...first, timestamp: 3000, metadata: { title: 'Dune' } })
      t.match(await byName(store).getProgress('ann', 'abc'), {
        device_id: 'A',
        timestamp: 3000,
        metadata: { title: 'Dune' },
      })
      t.same(await byName(store).listHistory('ann', 'abc'), [
        { ...first, timestamp: 2000 },
        { ...other, timestamp: 2002 },
        { ...first, timestamp: 2004 },
      ])
    },
  )

  t.test('a user is adopted until the key changes', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K', adopted: true })
    t.match(await store.getUser('ann'), { username: 'ann', key: 'K', adopted: true })
    await byName(store).setKey('ann', 'L')
    t.notOk((await store.getUser('ann'))?.adopted)
  })

  t.test('a record is added where there is none, with its own time, and is a row of the history', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    t.same(await byName(store).addProgress('ann', pushed), pushed)
    t.same(await byName(store).getProgress('ann', 'abc'), pushed)
    t.same(await byName(store).addProgress('ann', { ...pushed, progress: '57', timestamp: 2000 }), pushed)
    t.same(await byName(store).getProgress('ann', 'abc'), pushed)
    t.same(await byName(store).listHistory('ann', 'abc'), [pushed])
    t.match(await byName(store).putProgress('ann', { ...pushed, progress: '58' }), { progress: '58' })
  })

  for (const order of ['before', 'after'] as const) {
    t.test(`of a push and a record that is added right ${order} it the push is stored`, async (t) => {
      const store = await open(t)
      await store.createUser({ username: 'ann', key: 'K' })
      const push = (): Promise<unknown> =>
        byName(store).putProgress('ann', { ...pushed, progress: 'pushed', timestamp: 2000 })
      const add = (): Promise<unknown> => byName(store).addProgress('ann', pushed)
      await Promise.all(order === 'before' ? [add(), push()] : [push(), add()])
      t.match(await byName(store).getProgress('ann', 'abc'), { progress: 'pushed', timestamp: 2000 })
    })
  }

  t.test('nobody has positions without an account', async (t) => {
    const store = await open(t)
    await t.rejects(byName(store).addProgress('ann', pushed), { code: 'STALE_ACCOUNT' })
    await t.rejects(byName(store).putProgress('ann', pushed), { code: 'STALE_ACCOUNT' })
    await t.rejects(byName(store).getProgress('ann', 'abc'), { code: 'STALE_ACCOUNT' })
    t.equal(await store.getUser('ann'), undefined)
  })

  t.test('a deleted user takes everything along', async (t) => {
    const store = await open(t)
    await store.createUser({ username: 'ann', key: 'K' })
    await byName(store).putProgress('ann', pushed)
    await byName(store).deleteUser('ann')
    t.equal(await store.getUser('ann'), undefined)
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    t.equal(await byName(store).getProgress('ann', 'abc'), undefined)
    t.same(await byName(store).listHistory('ann', 'abc'), [])
  })

  t.test('different names are different users and documents, however alike', async (t) => {
    const store = await open(t)
    for (const name of hardNames) t.equal(await store.createUser({ username: name, key: name }), true, name)
    for (const name of hardNames) await byName(store).putProgress('ann', { ...pushed, document: name, progress: name })
    for (const name of hardNames) {
      t.match(await store.getUser(name), { username: name, key: name })
      t.match(await byName(store).getProgress('ann', name), { document: name, progress: name })
      t.equal((await byName(store).listHistory('ann', name)).length, 1)
    }
  })
}

/** What every store's operators can do. `open` gives a new, empty one. */
export function testAdmin(t: Test, open: (t: Test) => Promise<{ store: Store; admin: Admin }>): void {
  t.test('a renamed account keeps its records, under a new generation', async (t) => {
    const { store, admin } = await open(t)
    const ann = await create(store, 'ann')
    await create(store, 'bob')
    await store.putProgress(ann, pushed)
    t.equal(await admin.renameUser(ann, 'bob'), false)
    t.equal(await admin.renameUser(ann, 'anna'), true)
    t.equal(await store.getUser('ann'), undefined)
    await t.rejects(store.putProgress(ann, pushed), { code: 'STALE_ACCOUNT', isGone: true })
    const anna = await accountOf(store, 'anna')
    t.match(anna, { username: 'anna', id: ann.id })
    t.ok(anna.generation > ann.generation)
    t.match(await store.getProgress(anna, 'abc'), pushed)
    t.match((await store.getRegistration()).removed, ['ann'])
    await admin.setRemoved(['ann'], false)
    t.same((await store.getRegistration()).removed ?? [], [])
    await admin.setRemoved(['ann', 'bob'], true)
    t.same((await store.getRegistration()).removed, ['ann', 'bob'])
  })

  t.test('an operator is the same account, which nothing but setAdmin makes one', async (t) => {
    const { store, admin } = await open(t)
    t.equal(await admin.hasOperator(), false)
    // As an import or the upstream would, if it copied all fields of another server.
    const foreign = { username: 'bob', key: 'K', admin: true } as const
    await store.createUser(foreign)
    t.equal((await store.getUser('bob'))?.admin, undefined)
    const ann = await create(store, 'ann')
    t.equal(await admin.hasOperator(), false)
    await admin.setAdmin(ann, true)
    t.match(await store.getUser('ann'), { admin: true, account: ann })
    t.equal(await admin.hasOperator(), true)
    t.equal((await admin.getSummary(ann)).admin, true)
    await store.setKey(ann, '2')
    const second = await accountOf(store, 'ann')
    t.equal(await admin.renameUser(second, 'amy'), true)
    t.match(await store.getUser('amy'), { admin: true, key: '2' })
    t.equal(await admin.hasOperator(), true)
    await admin.setAdmin(await accountOf(store, 'amy'), false)
    t.equal((await store.getUser('amy'))?.admin, undefined)
    t.equal(await admin.hasOperator(), false)
    await admin.setAdmin(await accountOf(store, 'amy'), true)
    await store.deleteUser(await accountOf(store, 'amy'))
    t.equal(await admin.hasOperator(), false)
  })

  t.test('a disabled account is another generation, an enabled one the same', async (t) => {
    const { store, admin } = await open(t)
    const ann = await create(store, 'ann')
    await admin.setDisabled(ann, true)
    t.match(await store.getUser('ann'), { disabled: true })
    await t.rejects(store.putProgress(ann, pushed), { code: 'STALE_ACCOUNT', isGone: false })
    const disabled = await accountOf(store, 'ann')
    await admin.setDisabled(disabled, false)
    t.notOk((await store.getUser('ann'))?.disabled)
    t.same(await accountOf(store, 'ann'), disabled)
  })

  t.test('an account gets limits of its own, and loses them', async (t) => {
    const { store, admin } = await open(t)
    const ann = await create(store, 'ann')
    await admin.setQuota(ann, { documents: 1, bytes: 2 })
    t.same((await store.getUser('ann'))?.quota, { documents: 1, bytes: 2 })
    t.same((await admin.getSummary(ann)).quota, { documents: 1, bytes: 2 })
    await admin.setQuota(ann, {})
    t.equal((await store.getUser('ann'))?.quota, undefined)
    t.equal((await admin.getSummary(ann)).quota, undefined)
  })

  t.test('registration is as was said last, and keeps the names', async (t) => {
    const { store, admin } = await open(t)
    await admin.setInvited('ann', true)
    await admin.setInvited('bob', true)
    await admin.setInvited('ann', true)
    await admin.setRegistration({ open: true, until: 1000 })
    t.match(await store.getRegistration(), { open: true, until: 1000, invited: ['bob', 'ann'] })
    await admin.setInvited('bob', false)
    await admin.setRegistration({ open: false })
    t.match(await store.getRegistration(), { open: false, invited: ['ann'] })
    await create(store, 'ann')
    await admin.setInvited('bob', true)
    t.same((await store.getRegistration()).invited, ['bob'])
  })

  t.test('a record goes with its history, and its title is the operator’s', async (t) => {
    const { store, admin } = await open(t)
    const ann = await create(store, 'ann')
    t.equal(await admin.putTitle(ann, 'abc', 'Dune'), false)
    await store.putProgress(ann, pushed)
    t.equal(await admin.putTitle(ann, 'abc', 'Dune'), true)
    t.match(await store.putProgress(ann, { ...pushed, progress: '57' }), { progress: '57', title: 'Dune' })
    t.equal(await admin.putTitle(ann, 'abc', ''), true)
    t.equal((await store.getProgress(ann, 'abc'))?.['title'], undefined)
    t.equal(await admin.deleteProgress(ann, 'other'), false)
    t.equal(await admin.deleteProgress(ann, 'abc'), true)
    t.equal(await store.getProgress(ann, 'abc'), undefined)
    t.same(await store.listHistory(ann, 'abc'), [])
  })

  t.test('two ids of a book become one, with both histories and the newer position', async (t) => {
    const { store, admin } = await open(t)
    const ann = await create(store, 'ann')
    for (const [document, progress, timestamp] of [
      ['old', '1', 1001],
      ['new', '2', 1002],
      ['old', '3', 1003],
    ] as const) {
      await store.putProgress(ann, { ...pushed, document, progress, timestamp })
    }
    t.equal(await admin.mergeDocuments(ann, 'old', 'old'), false)
    t.equal(await admin.mergeDocuments(ann, 'old', 'none'), false)
    t.equal(await admin.mergeDocuments(ann, 'none', 'new'), false)
    t.equal(await admin.mergeDocuments(ann, 'old', 'new'), true)
    t.equal(await store.getProgress(ann, 'old'), undefined)
    t.match(await store.getProgress(ann, 'new'), { document: 'new', progress: '3' })
    t.same(progressOf(await store.listHistory(ann, 'new')), ['1', '2', '3'])
    await store.putProgress(ann, { ...pushed, document: 'old', progress: '0', timestamp: 1000 })
    t.equal(await admin.mergeDocuments(ann, 'old', 'new'), true)
    t.match(await store.getProgress(ann, 'new'), { document: 'new', progress: '3' })
  })

  t.test('a history is shortened to its newest rows, of which one stays', async (t) => {
    const { store, admin } = await open(t)
    const ann = await create(store, 'ann')
    for (const document of ['abc', 'other']) {
      for (let at = 0; at < 4; at++) {
        await store.putProgress(ann, { ...pushed, document, progress: `${at}`, timestamp: 1000 + at })
      }
    }
    t.equal(await admin.pruneHistory(ann, 1, 0, 'unknown'), 0)
    t.equal(await admin.pruneHistory(ann, 3, 0, 'abc'), 1)
    t.equal(await admin.pruneHistory(ann, 9, 2000, 'abc'), 2)
    t.match(await store.listHistory(ann, 'abc'), [{ progress: '3' }])
    t.equal((await store.listHistory(ann, 'other')).length, 4)
    t.equal(await admin.pruneHistory(ann, 3, 0), 1)
    t.same(progressOf(await store.listHistory(ann, 'other')), ['1', '2', '3'])
  })

  t.test('accounts are listed a page at a time, each once, with what they keep', async (t) => {
    const { store, admin } = await open(t)
    t.same(await admin.listAccounts(), { accounts: [], damaged: [], total: 0 })
    for (const name of hardNames) await create(store, name)
    const ann = await accountOf(store, 'ann')
    await store.putProgress(ann, { ...pushed, device_id: 'A', timestamp: 2000 })
    await store.putProgress(ann, { ...pushed, document: 'b', timestamp: 3000 })
    await store.putProgress(ann, { ...pushed, document: 'c', device_id: 'A' })
    await admin.setDisabled(await accountOf(store, 'auth'), true)
    const { accounts } = await admin.listAccounts()
    const listed: string[] = []
    let next: string | undefined
    do {
      const page = await admin.listAccounts(next, 4)
      t.ok(page.accounts.length <= 4)
      t.equal(page.total, hardNames.length)
      listed.push(...page.accounts.map(({ account }) => account.username))
      next = page.next
    } while (next !== undefined)
    t.same(listed.toSorted(), hardNames.toSorted())
    t.same(
      accounts.map(({ account }) => account.username),
      listed,
    )
    const summary = accounts.find(({ account }) => account.username === 'ann')
    t.match(summary, { account: ann, disabled: false, documents: 3, devices: 2, lastSync: 3000, lastActive: 3000 })
    t.ok(summary && summary.bytes > 0)
    t.same(await admin.getSummary(ann), summary)
    const other = accounts.find(({ account }) => account.username === 'auth')
    t.match(other, { account: await accountOf(store, 'auth'), disabled: true, documents: 0, devices: 0 })
    t.equal(other?.lastSync, undefined)
    const { users, next: _none, ...rest } = await admin.listUsers()
    t.same(rest, { damaged: [], total: hardNames.length })
    t.same(
      users.map(({ username }) => username),
      listed,
    )
    for (const user of users) t.match(await store.getUser(user.username), user)
    const [first, second] = [await admin.listUsers(undefined, 1), await admin.listUsers(undefined, 2)]
    t.same([first.users, (await admin.listUsers(first.next, 1)).users].flat(), second.users)
  })

  t.test('an account that goes between two pages does not end the list', async (t) => {
    const { store, admin } = await open(t)
    for (const name of ['ann', 'bob', 'carl']) await create(store, name)
    const { next } = await admin.listAccounts(undefined, 2)
    await store.deleteUser(await accountOf(store, 'bob'))
    t.match(await admin.listAccounts(next, 2), { accounts: [{ account: { username: 'carl' } }] })
  })

  t.test('records are listed a page at a time, as they are now', async (t) => {
    const { store, admin } = await open(t)
    const ann = await create(store, 'ann')
    t.same(await admin.listDocuments(ann), { documents: [], problems: [] })
    for (const document of hardNames) {
      await store.putProgress(ann, { ...pushed, document, metadata: { title: document } })
    }
    await admin.putTitle(ann, 'ann', 'Dune')
    const listed: Progress[] = []
    let next: string | undefined
    do {
      const page = await admin.listDocuments(ann, next, 4)
      t.ok(page.documents.length <= 4)
      listed.push(...page.documents)
      next = page.next
    } while (next !== undefined)
    t.same(listed.map(({ document }) => document).toSorted(), hardNames.toSorted())
    for (const record of listed) t.same(record, await store.getProgress(ann, record.document))
    t.same((await admin.listDocuments(ann)).documents, listed)
  })

  t.test('what is exported is imported elsewhere, and a second time changes nothing', async (t) => {
    const { store, admin } = await open(t)
    const [ann, bob] = [await create(store, 'ann'), await create(store, 'bob')]
    for (const [at, document] of ['a', 'a', 'b'].entries()) {
      await store.putProgress(ann, { ...pushed, document, progress: `${at}`, timestamp: 1000 + at })
    }
    await admin.putTitle(ann, 'a', 'Dune')
    const { documents, problems, next } = await admin.exportAccount(ann)
    t.same([problems, next], [[], undefined])
    t.same(
      documents.map(({ record, rows }) => [record.document, record.title, progressOf(rows)]),
      [
        ['a', 'Dune', ['0', '1']],
        ['b', undefined, ['2']],
      ],
    )
    const merged = documents.map(({ record: { title }, rows }) => ({ rows, ...(title !== undefined && { title }) }))
    t.same(await admin.importAccount(bob, merged), { documents: 2, latest: 2, rows: 3 })
    t.same((await admin.listDocuments(bob)).documents, (await admin.listDocuments(ann)).documents)
    t.same(progressOf(await store.listHistory(bob, 'a')), ['0', '1'])
    t.same(await admin.importAccount(bob, merged), { documents: 2, latest: 0, rows: 0 })
    const older = [{ rows: [{ ...pushed, document: 'a', progress: 'old', timestamp: 5 }] }]
    t.same(await admin.importAccount(bob, older), { documents: 1, latest: 0, rows: 1 })
    t.match(await store.getProgress(bob, 'a'), { progress: '1' })
  })

  t.test('the latest position is the last one, also behind a clock that was ahead for a while', async (t) => {
    const { store, admin } = await open(t)
    const bob = await create(store, 'bob')
    const row = (progress: string, timestamp: number): Progress => ({ ...pushed, document: 'a', progress, timestamp })
    const ahead = row('ahead', 9_000_000_000)
    const come = async (...rows: Progress[]): Promise<[string, string[]]> => {
      await admin.importAccount(bob, [{ rows }])
      return [(await store.getProgress(bob, 'a'))!.progress, progressOf(await store.listHistory(bob, 'a'))]
    }
    t.same(await come(row('0', 1000), ahead), ['ahead', ['0', 'ahead']])
    t.same(await come(row('0', 1000), ahead, row('2', 1002)), ['2', ['0', 'ahead', '2']])
    t.same(await come(row('0', 1000), ahead), ['2', ['0', 'ahead', '2']], 'it was replaced here')
    t.same(await come(row('1', 1001)), ['2', ['0', '1', 'ahead', '2']])
    t.same(await come(ahead, row('3', 1003)), ['3', ['0', '1', 'ahead', '2', '3']])
  })

  t.test('all that was acknowledged is brought to its place, and nothing is to be mended', async (t) => {
    const { store, admin } = await open(t)
    await store.putProgress(await create(store, 'ann'), pushed)
    t.equal(await admin.flush(), true)
    t.same(await admin.repair('', { running: false }), [])
  })

  const changes: Record<string, (admin: Admin, ann: Account) => Promise<unknown>> = {
    renameUser: (admin, ann) => admin.renameUser(ann, 'stale'),
    setDisabled: (admin, ann) => admin.setDisabled(ann, true),
    setAdmin: (admin, ann) => admin.setAdmin(ann, true),
    setQuota: (admin, ann) => admin.setQuota(ann, { documents: 1 }),
    deleteProgress: (admin, ann) => admin.deleteProgress(ann, 'abc'),
    putTitle: (admin, ann) => admin.putTitle(ann, 'abc', 'stale'),
    mergeDocuments: (admin, ann) => admin.mergeDocuments(ann, 'abc', 'other'),
    'pruneHistory of one': (admin, ann) => admin.pruneHistory(ann, 1, 0, 'abc'),
    'pruneHistory of all': (admin, ann) => admin.pruneHistory(ann, 1, 0),
    importAccount: (admin, ann) => admin.importAccount(ann, [{ rows: [{ ...pushed, progress: 'stale' }] }]),
  }
  const reads: Record<string, (admin: Admin, ann: Account) => Promise<unknown>> = {
    getSummary: (admin, ann) => admin.getSummary(ann),
    listDocuments: (admin, ann) => admin.listDocuments(ann),
    exportAccount: (admin, ann) => admin.exportAccount(ann),
  }
  const push = async (store: Store, ann: Account): Promise<void> => {
    for (const [at, document] of ['abc', 'abc', 'other'].entries()) {
      await store.putProgress(ann, { ...pushed, document, progress: `${at}` })
    }
  }
  for (const [name, act] of Object.entries({ ...changes, ...reads })) {
    t.test(`${name} does nothing for another account of the same name, nor for one that is gone`, async (t) => {
      const { store, admin } = await open(t)
      const ann = await create(store, 'ann')
      await store.deleteUser(ann)
      await t.rejects(act(admin, ann), { code: 'STALE_ACCOUNT', isGone: true })
      const next = await create(store, 'ann')
      await push(store, next)
      const before = [await store.getUser('ann'), await admin.exportAccount(next)]
      await t.rejects(act(admin, ann), { code: 'STALE_ACCOUNT', isGone: true })
      t.same([await store.getUser('ann'), await admin.exportAccount(next)], before)
    })
  }
  for (const [name, act] of Object.entries(changes)) {
    t.test(`${name} does nothing for an earlier generation`, async (t) => {
      const { store, admin } = await open(t)
      const ann = await create(store, 'ann')
      await push(store, ann)
      await store.setKey(ann, 'new')
      const before = [await store.getUser('ann'), await admin.exportAccount(ann)]
      await t.rejects(act(admin, ann), { code: 'STALE_ACCOUNT', isGone: false })
      t.same([await store.getUser('ann'), await admin.exportAccount(ann)], before)
    })
  }
  for (const [name, act] of Object.entries(reads)) {
    t.test(`${name} reads the account in a later generation, too`, async (t) => {
      const { store, admin } = await open(t)
      const ann = await create(store, 'ann')
      await push(store, ann)
      await store.setKey(ann, 'new')
      t.same(await act(admin, ann), await act(admin, await accountOf(store, 'ann')))
    })
  }
}

const progressOf = (rows: Progress[]): string[] => rows.map(({ progress }) => progress)
