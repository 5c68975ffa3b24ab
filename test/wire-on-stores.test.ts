import { join } from 'node:path'
import t, { type Test } from 'tap'
import { noRedis, startRedis } from './redis.ts'

const files = ['wire', 'crosspoint', 'latin1', 'kosync/cors', 'kosync/syncs', 'kosync/users']

/** The tests of a file, which run on a store in memory by themselves, on the store of KSS_TEST_STORE. */
async function spawn(t: Test, file: string, store: string): Promise<void> {
  const args = ['--import=./build/typescript.js', join(import.meta.dirname, `${file}.test.ts`)]
  const env = { ...process.env, KSS_TEST_STORE: store }
  await t.spawn(process.execPath, args, { cwd: join(import.meta.dirname, '..'), env, timeout: 300_000 })
}

t.jobs = 2

for (const file of files) {
  t.test(`${file}: the same on files`, (t) => spawn(t, file, 'files'))

  t.test(`${file}: the same on a Redis`, { skip: noRedis }, async (t) => {
    const { host } = await startRedis(t, '--databases', '100')
    await spawn(t, file, `redis://${host}`)
  })
}
