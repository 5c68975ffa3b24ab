import fc from 'fast-check'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { AccountLocks, topFolder } from '../../../src/store/file-store/account-locks.ts'

/** Work that ends when `end` is called. */
function pendingWork(): { work: () => Promise<void>; end: () => void; isBegun: () => boolean } {
  let end!: () => void
  let begun = false
  const ended = new Promise<void>((resolve) => (end = resolve))
  return { work: () => ((begun = true), ended), end, isBegun: () => begun }
}

t.test('a lock that is free, or held shared, is taken shared without a promise', (t) => {
  const locks = new AccountLocks()
  for (let holder = 0; holder < 3; holder++) t.equal(locks.lockShared('ann'), undefined)
  t.equal(locks.lockShared('bob'), undefined)
  for (let holder = 0; holder < 3; holder++) locks.unlockShared('ann')
  t.equal(locks.lockShared('ann'), undefined)
  t.end()
})

t.test('exclusive work waits for all who hold the lock shared, and later ones wait for it', async (t) => {
  const locks = new AccountLocks()
  const { work, end, isBegun } = pendingWork()
  for (let holder = 0; holder < 2; holder++) locks.lockShared('ann')
  const exclusive = locks.exclusive(['ann'], work)
  const later = [locks.lockShared('ann'), locks.lockShared('ann')]
  locks.unlockShared('ann')
  await setImmediate()
  t.notOk(isBegun())
  locks.unlockShared('ann')
  await setImmediate()
  t.ok(isBegun())
  let isGranted = false
  const granted = Promise.all(later.map(async (each) => await each)).then(() => (isGranted = true))
  await setImmediate()
  t.notOk(isGranted)
  end()
  await Promise.all([exclusive, granted])
})

t.test('locks are granted in the order of the calls, and shared ones together', async (t) => {
  const locks = new AccountLocks()
  const done: string[] = []
  const exclusive = async (name: string): Promise<void> => {
    await locks.exclusive(['ann'], async () => {
      done.push(`${name} begins`)
      await setImmediate()
      done.push(`${name} ends`)
    })
  }
  const shared = async (name: string): Promise<void> => {
    await locks.lockShared('ann')
    done.push(`${name} begins`)
    await setImmediate()
    done.push(`${name} ends`)
    locks.unlockShared('ann')
  }
  await Promise.all([exclusive('1'), shared('2'), shared('3'), exclusive('4'), shared('5'), exclusive('6')])
  const order = ['1 begins', '1 ends', '2 begins', '3 begins', '2 ends', '3 ends']
  t.same(done, [...order, '4 begins', '4 ends', '5 begins', '5 ends', '6 begins', '6 ends'])
})

t.test('work that fails gives its locks back', async (t) => {
  const locks = new AccountLocks()
  const fail = () => Promise.reject(new Error('EIO'))
  await t.rejects(locks.exclusive(['ann', 'bob'], fail), { message: 'EIO' })
  t.equal(await locks.exclusive(['bob', 'ann', topFolder], async () => 'done'), 'done')
  t.equal(locks.lockShared('ann'), undefined)
})

t.test('different folders do not wait for each other', async (t) => {
  const locks = new AccountLocks()
  const { work, end } = pendingWork()
  const hanging = locks.exclusive(['ann'], work)
  await locks.exclusive(['bob'], async () => undefined)
  t.equal(locks.lockShared('bob'), undefined)
  end()
  await hanging
})

t.test('who needs the same locks in another order waits, and there is no deadlock', async (t) => {
  const locks = new AccountLocks()
  for (const folder of ['ann', 'bob']) locks.lockShared(folder)
  const both = [locks.exclusive(['ann', 'bob'], async () => 1), locks.exclusive(['bob', 'ann'], async () => 2)]
  for (const folder of ['ann', 'bob']) locks.unlockShared(folder)
  t.same(await Promise.all(both), [1, 2])
})

t.test('the lock of the top excludes all exclusive work, and no push', async (t) => {
  const locks = new AccountLocks()
  const [first, top, last] = [pendingWork(), pendingWork(), pendingWork()]
  const all = [
    locks.exclusive(['ann'], first.work),
    locks.exclusive([topFolder], top.work),
    locks.exclusive(['bob'], last.work),
  ]
  await setImmediate()
  t.same([first.isBegun(), top.isBegun(), last.isBegun()], [true, false, false])
  first.end()
  await setImmediate()
  t.same([top.isBegun(), last.isBegun()], [true, false])
  t.equal(locks.lockShared('ann'), undefined)
  top.end()
  last.end()
  await Promise.all(all)
})

t.test('names that a file system may take for one folder have one lock', async (t) => {
  for (const [one, other] of [
    ['Alice', 'alice'],
    ['ANN BO', 'ann bo'],
    ['É'.normalize('NFC'), 'é'.normalize('NFD')],
    ['ſ', 's'],
  ] as const) {
    const locks = new AccountLocks()
    locks.lockShared(one)
    const { work, end, isBegun } = pendingWork()
    const exclusive = locks.exclusive([one, other], work)
    await setImmediate()
    t.notOk(isBegun(), one)
    locks.unlockShared(one)
    end()
    await exclusive
    t.equal(locks.lockShared(other), undefined)
  }
})

t.test('whatever is asked for, in any order: nobody shares an exclusive lock, and all end', async () => {
  const folder = fc.constantFrom('ann', 'bob', 'carl', topFolder)
  const request = fc.record({
    folders: fc.array(folder, { maxLength: 3 }),
    isShared: fc.boolean(),
    delay: fc.nat(3),
    length: fc.nat(3),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 20 }), async (requests) => {
      const locks = new AccountLocks()
      const holders = new Map<string, number>()
      const hold = async (folders: string[], isShared: boolean, length: number): Promise<void> => {
        for (const each of folders) {
          const others = holders.get(each) ?? 0
          if (isShared ? others < 0 : others !== 0) throw new Error(`${each} is held`)
          holders.set(each, isShared ? others + 1 : -1)
        }
        for (let tick = 0; tick < length; tick++) await Promise.resolve()
        for (const each of folders) holders.set(each, isShared ? holders.get(each)! - 1 : 0)
      }
      const ask = async ({ folders, isShared, delay, length }: (typeof requests)[number]): Promise<void> => {
        for (let tick = 0; tick < delay; tick++) await Promise.resolve()
        const [first] = folders
        if (!isShared) await locks.exclusive(folders, () => hold([...new Set(folders)], false, length))
        else if (first !== undefined) {
          await locks.lockShared(first)
          await hold([first], true, length)
          locks.unlockShared(first)
        }
      }
      await Promise.all(requests.map(ask))
    }),
  )
})
