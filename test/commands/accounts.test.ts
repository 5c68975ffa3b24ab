import t from 'tap'
import { unlessGone } from '../../src/commands/accounts.ts'
import { documentsOfUser } from '../../src/commands/export.ts'
import { StaleAccount } from '../../src/store/account.ts'
import type { ExportPage } from '../../src/store/store.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { accountOf } from '../store/by-name.ts'
import { pushed } from '../store/contract.ts'

const full = Object.assign(new Error('the disk is full'), { code: 'ENOSPC' })

t.test('an account that goes while a list is worked on is passed over, and any other error is not', async (t) => {
  const store = new MemoryStore()
  await store.createUser({ username: 'ann', key: 'K' })
  const account = await accountOf(store, 'ann')
  await t.resolves(unlessGone(() => Promise.reject(new StaleAccount(account, true))))
  await t.rejects(
    unlessGone(() => Promise.reject(full)),
    full,
  )
})

t.test('an export goes on without the rest of an account that was removed meanwhile', async (t) => {
  const store = new MemoryStore()
  await store.createUser({ username: 'ann', key: 'K' })
  const account = await accountOf(store, 'ann')
  const first: ExportPage = { documents: [{ record: pushed, rows: [pushed] }], problems: [], next: 'abc' }
  const exportThen = (error: Error) => ({
    exportAccount: async (_account: unknown, cursor?: string) => {
      if (cursor === undefined) return first
      throw error
    },
  })
  const exported = []
  const gone = exportThen(new StaleAccount(account, true))
  for await (const { record } of documentsOfUser({ store: gone }, { account })) exported.push(record)
  t.same(exported, [pushed])
  const failing = documentsOfUser({ store: exportThen(full) }, { account })
  await failing.next()
  await t.rejects(failing.next(), full)
})
