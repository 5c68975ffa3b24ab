import { createClient } from '@redis/client'
import t, { type Test } from 'tap'
import type { Account } from '../../../src/store/store.ts'
import type { Finding } from '../../../src/store/finding.ts'
import { globalKeys, keysOfCluster } from '../../../src/store/redis-store/keys.ts'
import {
  arrive,
  flip,
  leave,
  settle,
  freeName,
  keepName,
  readMoved,
  writeMoved,
} from '../../../src/store/redis-store/move-scripts.ts'
import type { RedisStore, RedisStoreOptions } from '../../../src/store/redis-store/redis-store.ts'
import type { Script } from '../../../src/store/redis-store/scripts.ts'
import { slotOf } from '../../../src/store/redis-store/topology.ts'
import { noRedis, startCluster, type Cluster } from '../../redis.ts'
import { until } from '../../until.ts'
import { accountOf, usernamesOf } from '../by-name.ts'
import { pushed } from '../contract.ts'
import { engineFaults, type Fault } from './engine-faults.ts'
import { openCluster } from './open.ts'

const connect = (host: string) => createClient({ url: `redis://${host}`, RESP: 2 })

type Client = ReturnType<typeof connect>

const bounds = [5461, 10_923, 16_384]
const masterOf = (key: string): number => bounds.findIndex((bound) => slotOf(key) < bound)
/** Bytes that are no text. */
const odd = Buffer.from([0xff, 0x00, 0xfe])

/** What the tests do on a cluster that is empty at first. */
class Setting {
  readonly #t: Test
  readonly #cluster: Cluster
  readonly #clients: Client[]

  private constructor(t: Test, cluster: Cluster, clients: Client[]) {
    this.#t = t
    this.#cluster = cluster
    this.#clients = clients
  }

  static async start(t: Test): Promise<Setting> {
    const cluster = await startCluster(t)
    const clients = cluster.hosts.map(connect)
    for (const client of clients) client.on('error', () => undefined)
    await Promise.all(clients.map((client) => client.connect()))
    t.teardown(() => clients.forEach((client) => client.destroy()))
    return new Setting(t, cluster, clients)
  }

  async ask(key: string, name: string, ...words: (string | Buffer)[]): Promise<unknown> {
    return await this.#clients[masterOf(key)]!.sendCommand([name, key, ...words])
  }

  async run(key: string, text: string, ...args: (string | Buffer)[]): Promise<unknown> {
    return await this.#clients[masterOf(key)]!.sendCommand(['EVAL', text, '1', key, ...args])
  }

  /** A process. */
  async open(options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
    return await openCluster(this.#t, this.#cluster, { settleMs: 0, historyLimit: 0, ...options })
  }

  /** A process, and ann with documents, some of them by another program. */
  async begin(): Promise<{ store: RedisStore; ann: Account }> {
    await Promise.all(this.#clients.map((client) => client.sendCommand(['FLUSHALL'])))
    const store = await this.open()
    await store.survey.look()
    await store.createUser({ username: 'ann', key: 'K' })
    const ann = await accountOf(store, 'ann')
    for (const progress of ['1', '2', '3']) await store.putProgress(ann, { ...pushed, progress })
    await store.putProgress(ann, { ...pushed, document: 'other' })
    await store.admin.setAdmin(ann, true)
    const { records, account, documents } = keysOfCluster('ann')
    const text = `
      for at = 2, 3 do redis.call('HSET', ARGV[at], 'unknown', ARGV[1]) end
      redis.call('HSET', ARGV[4] .. ARGV[1], 'progress', ARGV[1])
      redis.call('ZADD', KEYS[1], 0, ARGV[1])`
    await this.run(documents, text, odd, account, `${records}abc`, records)
    return { store, ann }
  }

  /** Digests of all that an account has, but of what a rename changes. */
  async contentOf(username: string): Promise<unknown> {
    const hex = Buffer.from(username).toString('hex')
    const text = `
      local found, changes = {}, {generation = 1, changed = 1, move = 1, unlisted = 1, settles = 1}
      for _, key in ipairs(redis.call('KEYS', '*{${hex}}*')) do
        local value = redis.call('DUMP', key)
        if redis.call('TYPE', key).ok == 'hash' then
          local fields, pairs = redis.call('HGETALL', key), {}
          for at = 1, #fields, 2 do
            if not changes[fields[at]] then pairs[#pairs + 1] = fields[at] .. '=' .. fields[at + 1] end
          end
          table.sort(pairs)
          value = table.concat(pairs, ' ')
        end
        found[#found + 1] = string.gsub(key, '${hex}', '') .. ' ' .. redis.sha1hex(value)
      end
      table.sort(found)
      return found`
    return await this.run(keysOfCluster(username).key, text)
  }

  async findings(store: RedisStore, mends = false): Promise<Finding[]> {
    const found: Finding[] = []
    for await (const finding of store.survey.check({ mends })) found.push(finding)
    return found
  }

  /** Nothing is left to do: one name has all, the other one nothing. */
  async isWhole(
    t: Test,
    store: RedisStore,
    [username, other]: [string, string],
    before: unknown,
    { id }: Account,
  ): Promise<void> {
    t.equal(await store.getUser(other), undefined)
    t.match(await store.getUser(username), { key: 'K', admin: true, account: { id } })
    await until(async () => (await this.ask(keysOfCluster(username).account, 'HGET', 'unlisted')) === null)
    t.same(await this.contentOf(username), before)
    t.same(await this.contentOf(other), [])
    t.same(await usernamesOf(store), [username])
    t.same(await this.ask(globalKeys.operators, 'SMEMBERS'), [id])
    t.same(await this.findings(store), [])
  }
}

/** `user`, `none`, or why the look-up fails. */
async function look(store: RedisStore, username: string): Promise<string> {
  try {
    return (await store.getUser(username)) ? 'user' : 'none'
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** As `kss user rename` does, which goes on with one that was cut off. */
async function rename(store: RedisStore, username: string, to: string): Promise<boolean> {
  const account = await accountOf(store, username).catch((error: { account: Account }) => error.account)
  return await store.admin.renameUser(account, to)
}

const outcomeOf = async (work: Promise<boolean>): Promise<string> =>
  await work.then(String, ({ code }: { code: string }) => code)

const messageOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => '',
    ({ message }: Error) => message,
  )

t.test('a user of a cluster gets another name', { skip: noRedis }, async (t) => {
  const setting = await Setting.start(t)
  const faults = engineFaults(t)
  t.not(masterOf(keysOfCluster('ann').key), masterOf(keysOfCluster('bea').key))

  t.test('with all that is there, to the byte, and how long it lasts', async (t) => {
    const { store, ann } = await setting.begin()
    const [from, to] = [keysOfCluster('ann'), keysOfCluster('bea')]
    for (let at = 0; at < 250; at++) await store.putProgress(ann, { ...pushed, document: `book ${at}` })
    await setting.ask(`${from.records}other`, 'PEXPIREAT', '4000000000000')
    await store.admin.setInvited('bea', true)
    const before = await setting.contentOf('ann')
    t.match(before, { length: 2 * 252 + 1 + 3 })
    t.equal(await store.admin.renameUser(ann, 'bea'), true)
    await setting.isWhole(t, store, ['bea', 'ann'], before, ann)
    t.ok(Number(await setting.ask(`${to.records}other`, 'PTTL')) > 0)
    t.equal(await setting.ask(`${to.records}abc`, 'PTTL'), -1)
    t.match(await store.getRegistration(), { invited: [], removed: ['ann'] })
  })

  t.test('a page is as large as some MiB', async (t) => {
    const { store, ann } = await setting.begin()
    const { records } = keysOfCluster('ann')
    const large = Array.from({ length: 200_000 }, (_, at) => at.toString(36)).join(' ')
    for (const document of ['abc', 'other']) await setting.ask(records + document, 'HSET', 'large', large)
    const before = await setting.contentOf('ann')
    t.equal(await store.admin.renameUser(ann, 'bea'), true)
    await setting.isWhole(t, store, ['bea', 'ann'], before, ann)
  })

  // Killed after a command is killed before the next one.
  for (const fails of [{ isLast: true }, {}, { isLate: true }]) {
    const what = fails.isLast
      ? 'killed before any command'
      : `that fails once ${fails.isLate ? 'after' : 'before'} any command`
    t.test(`a rename ${what} can be finished, and nobody is told of no account`, async (t) => {
      const seen = new Set<string>()
      for (let at = 1; ; at++) {
        const { store, ann } = await setting.begin()
        const before = await setting.contentOf('ann')
        const fault: Fault = { left: at, ...fails }
        faults.set(fault)
        const outcome = await outcomeOf(store.admin.renameUser(ann, 'bea'))
        faults.set(undefined)
        store.close()
        const fresh = await setting.open()
        const state = `${await look(fresh, 'ann')} ${await look(fresh, 'bea')}`
        seen.add(state)
        if (state.startsWith('user')) {
          const [pushedOn] = [await fresh.putProgress(ann, { ...pushed, progress: '3' })]
          t.match(pushedOn, { progress: '3' })
        } else if (state.startsWith('STORE')) {
          t.equal(await fresh.createUser({ username: 'ann', key: 'L' }), false)
          const found = (await setting.findings(fresh)).filter(({ damage }) => damage)
          t.match(found, [{ path: 'kss:{616e6e}:account', advice: /otherwise: kss user rename ann bea$/ }], `${at}`)
          t.equal(found.length, 1)
        }
        if (state === 'none user') t.ok(['true', 'STORE_UNAVAILABLE'].includes(outcome))
        else t.equal(await rename(fresh, 'ann', 'bea'), true, `${at}`)
        await setting.isWhole(t, fresh, ['bea', 'ann'], before, ann)
        fresh.close()
        if (fault.left > 0) break
      }
      const expected = ['user none', 'none user', 'STORE_UNAVAILABLE none', 'STORE_UNAVAILABLE user']
      if (fails.isLast) t.same([...seen].toSorted(), expected.toSorted())
      else t.ok([...seen].every((state) => expected.includes(state)))
    })
  }

  const others: Record<string, [to: string, work: (store: RedisStore, ann: Account) => Promise<unknown>]> = {
    'to the same name': ['bea', (store, ann) => store.admin.renameUser(ann, 'bea')],
    'to another name': ['fay', (store, ann) => store.admin.renameUser(ann, 'fay')],
  }
  for (const [name, [to, work]] of Object.entries(others)) {
    t.test(`of two processes, one of them ${name} in the midst of the other, one at least does it`, async (t) => {
      for (let at = 1; ; at++) {
        const { store, ann } = await setting.begin()
        const before = await setting.contentOf('ann')
        const second = await setting.open()
        let other = Promise.resolve('not asked')
        const fault: Fault = {
          left: at,
          meanwhile: async () => await (other = outcomeOf(work(second, ann) as Promise<boolean>)),
        }
        faults.set(fault)
        const outcomes = [await outcomeOf(store.admin.renameUser(ann, 'bea')), await other]
        faults.set(undefined)
        if (fault.left > 0) break
        const winners = outcomes.flatMap((outcome, which) => (outcome === 'true' ? [['bea', to][which]!] : []))
        const [winner] = winners
        t.ok(winner !== undefined && new Set(winners).size === 1, `${at}: ${outcomes.join(', ')}`)
        t.ok(outcomes.every((outcome) => ['true', 'false', 'STORE_UNAVAILABLE', 'STALE_ACCOUNT'].includes(outcome)))
        await setting.isWhole(t, second, [winner!, 'ann'], before, ann)
        for (const free of ['bea', to]) if (free !== winner) t.same(await setting.contentOf(free), [])
        store.close()
        second.close()
      }
    })
  }

  t.test('a name that somebody has, or gets first, is taken, and nothing changes', async (t) => {
    const { store, ann } = await setting.begin()
    await store.createUser({ username: 'bea', key: 'B' })
    await store.admin.setQuota(ann, { documents: 9 })
    const before = await setting.contentOf('ann')
    t.equal(await store.admin.renameUser(ann, 'bea'), false)
    t.equal(await store.admin.renameUser(ann, 'ann'), false)
    t.same(await setting.contentOf('ann'), before)
    await store.deleteUser(await accountOf(store, 'bea'))
    const create = async (): Promise<unknown> => await store.createUser({ username: 'bea', key: 'B' })
    faults.set({ left: 1, script: keepName, meanwhile: create })
    t.equal(await store.admin.renameUser(ann, 'bea'), false)
    t.match(await store.getUser('bea'), { key: 'B' })
    t.same(await setting.contentOf('ann'), before)
    t.match(await store.putProgress(ann, { ...pushed, progress: '4' }), { progress: '4' })
  })

  t.test('while it moves, all is unavailable to processes that know it, and the new name is taken', async (t) => {
    const { store, ann } = await setting.begin()
    const other = await setting.open()
    t.match(await other.getUser('ann'), { account: ann })
    await store.sessions.putSession({
      hash: 'a1',
      username: 'ann',
      accountId: ann.id,
      generation: ann.generation,
      isOperator: true,
      created: 1,
      lastSeen: 1,
      lastPassword: 1,
    })
    const refused = {
      code: 'STORE_UNAVAILABLE',
      message: /^The account ann is being renamed to bea\. If no/,
      account: ann,
    }
    let tried = 0
    const tryAll = async (): Promise<void> => {
      const calls: (() => unknown)[] = [
        () => other.putProgress(ann, { ...pushed, progress: 'late' }),
        () => other.getUser('ann'),
        () => other.getProgress(ann, 'abc'),
        () => other.getProgress(ann, 'none'),
        () => other.addProgress(ann, { ...pushed, document: 'late' }),
        () => other.listHistory(ann, 'abc'),
        () => other.setKey(ann, 'L'),
        () => other.upgradeKey(ann, 'K', 'L'),
        () => other.deleteUser(ann),
        () => other.admin.setDisabled(ann, true),
        () => other.admin.setAdmin(ann, false),
        () => other.admin.getSummary(ann),
        () => other.admin.exportAccount(ann),
        () => other.admin.deleteProgress(ann, 'abc'),
        () => other.admin.pruneHistory(ann, 1, 0),
      ]
      for (const call of calls) await t.rejects(async () => await call(), refused, call.toString())
      t.equal(await other.createUser({ username: 'bea', key: 'L' }), false)
      t.equal(await look(other, 'bea'), 'none')
      t.equal(await other.createUser({ username: 'ann', key: 'L' }), false)
      t.match((await other.admin.listUsers()).damaged, [/^user "ann": The account ann is being renamed to bea/])
      tried += 1
    }
    faults.set({ left: 1, script: readMoved, meanwhile: tryAll })
    t.equal(await store.admin.renameUser(ann, 'bea'), true)
    t.equal(tried, 1)
    await t.rejects(other.putProgress(ann, pushed), { code: 'STALE_ACCOUNT', isGone: true })
    const bea = await accountOf(other, 'bea')
    t.match(bea, { id: ann.id, generation: ann.generation + 1 })
    t.match(await other.listHistory(bea, 'abc'), { length: 3 })
    t.match(await other.sessions.getSession('a1'), { generation: ann.generation })
  })

  t.test('also an account whose key was stored by hand while it moves is not made anew', async (t) => {
    const { store, ann } = await setting.begin()
    const set = async (): Promise<void> => {
      await setting.ask(keysOfCluster('ann').key, 'SET', 'by hand')
      t.equal(await look(await setting.open(), 'ann'), 'STORE_UNAVAILABLE')
    }
    faults.set({ left: 1, script: readMoved, meanwhile: set })
    t.equal(await store.admin.renameUser(ann, 'bea'), true)
    t.match(await (await setting.open()).getUser('bea'), { key: 'by hand', account: { id: ann.id } })
  })

  /** Killed before a step. */
  const cutOff = async (account: Account, to: string, script: Script): Promise<void> => {
    const store = await setting.open()
    faults.set({ left: 1, script, isLast: true })
    t.equal(await outcomeOf(store.admin.renameUser(account, to)), 'STORE_UNAVAILABLE')
    faults.set(undefined)
    store.close()
  }

  t.test('one that was cut off before the flip can go to another name, and frees the first one', async (t) => {
    const { ann } = await setting.begin()
    const before = await setting.contentOf('ann')
    await cutOff(ann, 'bea', flip)
    const fresh = await setting.open()
    t.equal(await rename(fresh, 'ann', 'fay'), true)
    await setting.isWhole(t, fresh, ['fay', 'ann'], before, ann)
    t.same(await setting.contentOf('bea'), [])
    t.equal(await fresh.createUser({ username: 'bea', key: 'B' }), true)
  })

  t.test('one that was cut off after the flip goes to no other name', async (t) => {
    const { ann } = await setting.begin()
    await cutOff(ann, 'bea', arrive)
    const refused = { code: 'STORE_UNAVAILABLE', message: /^The account ann is being renamed to bea\./ }
    const fresh = await setting.open()
    await t.rejects(rename(fresh, 'ann', 'fay'), refused)
    await t.rejects(rename(fresh, 'ann', 'ann'), refused)
    t.equal(await rename(fresh, 'ann', 'bea'), true)
  })

  t.test('a name whose node is away when the move to it ends is told, and freed by a repair', async (t) => {
    const { ann } = await setting.begin()
    const before = await setting.contentOf('ann')
    await cutOff(ann, 'bea', flip)
    const fresh = await setting.open()
    faults.set({ left: 1, script: freeName })
    t.equal(await rename(fresh, 'ann', 'fay'), true)
    t.equal(await fresh.createUser({ username: 'bea', key: 'B' }), false)
    const told = [
      {
        path: 'kss:{626561}:account',
        problem: 'keeps the name for ann, which is not being renamed to it any more',
        repair: 'frees the name',
        damage: false,
      },
    ]
    t.same(await setting.findings(fresh), told)
    t.same(await setting.findings(fresh, true), told)
    await setting.isWhole(t, fresh, ['fay', 'ann'], before, ann)
    t.equal(await fresh.createUser({ username: 'bea', key: 'B' }), true)
  })

  t.test('a name that is kept for another account is taken', async (t) => {
    const { store, ann } = await setting.begin()
    const before = await setting.contentOf('ann')
    await store.createUser({ username: 'dan', key: 'D' })
    await cutOff(await accountOf(store, 'dan'), 'bea', flip)
    t.equal(await store.admin.renameUser(ann, 'bea'), false)
    t.same(await setting.contentOf('ann'), before)
    t.equal(await rename(await setting.open(), 'dan', 'bea'), true)
    t.match(await store.getUser('bea'), { key: 'D' })
  })

  t.test('what a process does late for a move that has ended is refused, also while a later one goes on', async (t) => {
    for (const script of [keepName, readMoved, writeMoved, flip]) {
      const { store, ann } = await setting.begin()
      const third = await setting.open()
      let before: unknown
      let last: Promise<boolean> | undefined
      let isLate = (): void => undefined
      const late = new Promise<void>((resolve) => (isLate = resolve))
      const meanwhile = async (): Promise<void> => {
        const second = await setting.open()
        faults.set({ left: 1, script: flip })
        t.equal(await outcomeOf(second.admin.renameUser(ann, 'dan')), 'STORE_UNAVAILABLE')
        // That gave up: the account is in use again.
        await second.putProgress(ann, { ...pushed, progress: 'newer' })
        await second.admin.deleteProgress(ann, 'other')
        before = await setting.contentOf('ann')
        await new Promise<void>((resolve) => {
          const waits = async (): Promise<void> => {
            resolve()
            await late
          }
          faults.set({ left: 1, script: flip, meanwhile: waits })
          last = third.admin.renameUser(ann, 'bea')
        })
      }
      faults.set({ left: 1, script, meanwhile })
      const message = await messageOf(store.admin.renameUser(ann, 'bea'))
      t.equal(message, 'Another command gave up renaming ann to bea, or renamed it to another name')
      isLate()
      t.equal(await last, true)
      await setting.isWhole(t, third, ['bea', 'ann'], before, ann)
    }
  })

  t.test('a name that is taken while another command renames the account is told of as that', async (t) => {
    const { store, ann } = await setting.begin()
    const meanwhile = async (): Promise<void> => {
      const second = await setting.open()
      t.equal(await second.admin.renameUser(ann, 'fay'), true)
      await second.createUser({ username: 'bea', key: 'B' })
    }
    faults.set({ left: 1, script: keepName, meanwhile })
    await t.rejects(store.admin.renameUser(ann, 'bea'), { message: /^Another command gave up renaming ann to bea/ })
    t.match(await store.getUser('bea'), { key: 'B' })
  })

  t.test('an account that goes from its new name before all is done leaves nothing under the old one', async (t) => {
    for (const script of [leave, settle]) {
      const { ann } = await setting.begin()
      const before = await setting.contentOf('ann')
      await cutOff(ann, 'bea', script)
      const fresh = await setting.open()
      t.equal(await rename(fresh, 'bea', 'fay'), true)
      await setting.isWhole(t, fresh, ['fay', 'ann'], before, ann)
      t.same(await setting.contentOf('bea'), [])

      await cutOff(await accountOf(fresh, 'fay'), 'ann', script)
      await fresh.deleteUser(await accountOf(fresh, 'ann'))
      for (const name of ['ann', 'bea', 'fay']) {
        t.equal(await look(fresh, name), 'none')
        t.same(await setting.contentOf(name), [])
      }
      t.same(await setting.findings(fresh), [])
    }
  })

  t.test('an account is deleted while its rename ends', async (t) => {
    const { store, ann } = await setting.begin()
    const second = await setting.open()
    const meanwhile = async (): Promise<void> => await second.deleteUser(await accountOf(second, 'bea'))
    faults.set({ left: 2, script: arrive, meanwhile })
    t.equal(await store.admin.renameUser(ann, 'bea'), true)
    for (const name of ['ann', 'bea']) {
      t.equal(await look(store, name), 'none')
      t.same(await setting.contentOf(name), [])
    }
    t.same(await setting.findings(store), [])
  })

  t.test('another account under the new name does not end a move', async (t) => {
    const { store, ann } = await setting.begin()
    await cutOff(ann, 'bea', leave)
    const { account } = keysOfCluster('bea')
    const stale = await accountOf(store, 'bea')
    await setting.ask(account, 'HSET', 'id', 'another')
    await t.rejects(store.deleteUser(stale), { code: 'STALE_ACCOUNT', isGone: true })
    t.equal(await look(store, 'ann'), 'STORE_UNAVAILABLE')
  })

  t.test('the last copy is not removed, and the account can go back to it', async (t) => {
    const { store, ann } = await setting.begin()
    const before = await setting.contentOf('ann')
    const { key, account, records } = keysOfCluster('bea')
    const lose = async (): Promise<unknown> =>
      await setting.run(key, "redis.call('DEL', KEYS[1], unpack(ARGV))", account, `${records}abc`)
    faults.set({ left: 2, script: arrive, meanwhile: lose })
    const message = await messageOf(store.admin.renameUser(ann, 'bea'))
    const expected =
      /^bea has lost the account ann, of which the old keys are there\. To go back to them: redis-cli (HDEL) '(.*)' (movesTo) (moved)$/
    t.match(message, expected)
    const [, name, path, ...fields] = expected.exec(message)!
    await setting.ask(path!, name!, ...fields)
    const fresh = await setting.open()
    t.match(await fresh.getUser('ann'), { account: ann })
    t.same(await setting.contentOf('ann'), before)
  })

  t.test('under load, nothing that was acknowledged is lost, and no reader is told of no account', async (t) => {
    const { ann } = await setting.begin()
    const stores = await Promise.all([setting.open(), setting.open(), setting.open()])
    const names = ['ann', 'bea', 'fay', 'dan', 'carl', 'gus']
    const acknowledged: string[] = []
    const problems = new Set<string>()
    const over = new AbortController()
    const work = stores.map(async (store, writer) => {
      let name = 0
      for (let at = 0; !over.signal.aborted; at++) {
        try {
          const user = await store.getUser(names[name]!)
          if (!user) {
            // A reader who is told the new name finds the account there.
            if ((await look(store, names[name + 1] ?? '')) === 'none') problems.add(`no ${names[name]}`)
            name += 1
            continue
          }
          await store.putProgress(user.account, { ...pushed, progress: `${writer}-${at}` })
          acknowledged.push(`${writer}-${at}`)
          if (!(await store.getProgress(user.account, 'abc'))) problems.add('no record')
        } catch (error) {
          const { code, isGone } = error as { code: string; isGone?: boolean }
          if (code !== 'STORE_UNAVAILABLE' && !isGone) problems.add(String(error))
        }
      }
    })
    const admin = await setting.open()
    for (const [at, name] of names.slice(0, -1).entries()) {
      const enough = acknowledged.length + 20
      await until(() => acknowledged.length >= enough)
      t.equal(await rename(admin, name, names[at + 1]!), true)
    }
    over.abort()
    await Promise.all(work)
    t.same([...problems], [])
    const last = await accountOf(admin, 'gus')
    t.equal(last.id, ann.id)
    const rows = new Set((await admin.listHistory(last, 'abc')).map(({ progress }) => progress))
    t.same(
      acknowledged.filter((each) => !rows.has(each)),
      [],
    )
  })
})
