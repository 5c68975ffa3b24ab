import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { delayOf } from '../../src/audiobookshelf/outbox.ts'
import { OutboxFiles } from '../../src/audiobookshelf/outbox-files.ts'

const ann = Object.freeze({ username: 'ann', folder: 'ann', id: 'id-1', generation: 1 })
const record = { document: 'abc', progress: '/body/DocFragment[2].0', percentage: 0.2, device: 'kobo', timestamp: 1000 }
const fail = (error: unknown): never => {
  throw error
}

const filesOf = async (dir: string): Promise<string[]> =>
  (await readdir(join(dir, '.audiobookshelf', 'outbox'))).toSorted()

t.test('an entry survives a restart, and its file goes when it is done', async (t) => {
  const dir = t.testdir({})
  const outbox = await OutboxFiles.open(dir, fail)
  await outbox.put(ann, { ...record, metadata: { title: 'x' } })
  const [entry] = outbox.entries
  t.same(entry, { ...record, username: 'ann', account: 'id-1', tries: 0, due: 0 })
  const again = await OutboxFiles.open(dir, fail)
  t.same(again.entries, outbox.entries)
  t.equal((await filesOf(dir)).length, 1)
  await outbox.delete(entry!)
  t.same(await filesOf(dir), [])
  await outbox.delete(entry!)
  t.same((await OutboxFiles.open(dir, fail)).entries, [])
})

t.test('a newer position takes the place of a waiting one, and nothing done to the old one touches it', async (t) => {
  const dir = t.testdir({})
  const outbox = await OutboxFiles.open(dir, fail)
  const puts = [1, 2, 3].map((n) => outbox.put(ann, { ...record, timestamp: 1000 + n }))
  const old = outbox.entries[0]!
  await Promise.all([...puts, outbox.put(ann, { ...record, timestamp: 1004 }), outbox.flush()])
  await outbox.delay(old, 5)
  await outbox.delete({ ...old })
  t.match(outbox.entries, [{ timestamp: 1004, due: 0 }])
  t.match((await OutboxFiles.open(dir, fail)).entries, [{ timestamp: 1004 }])
  await outbox.delay(outbox.entries[0]!, 7000, 2)
  t.match((await OutboxFiles.open(dir, fail)).entries, [{ due: 7000, tries: 2 }])
})

t.test('an account that is renamed keeps its entries, one that is gone loses them', async (t) => {
  const dir = t.testdir({})
  const outbox = await OutboxFiles.open(dir, fail)
  await outbox.put(ann, record)
  await outbox.put({ ...ann, username: 'bob', id: 'id-2' }, record)
  await outbox.rename(ann, 'anna')
  t.same((await OutboxFiles.open(dir, fail)).entries.map(({ username }) => username).toSorted(), ['anna', 'bob'])
  await outbox.deleteAccount({ ...ann, id: 'id-2' })
  t.same(
    (await OutboxFiles.open(dir, fail)).entries.map(({ username }) => username),
    ['anna'],
  )
})

t.test('what cannot be read is set aside and told, and other files stay', async (t) => {
  const dir = t.testdir({})
  await OutboxFiles.open(dir, fail)
  const folder = join(dir, '.audiobookshelf', 'outbox')
  const bad = ['{', '{}', '{"percentage":1,"timestamp":1}', '{"percentage":"x","timestamp":1,"document":"a"}']
  for (const [at, text] of bad.entries()) await writeFile(join(folder, `${'0'.repeat(31)}${at}.json`), text)
  await writeFile(join(folder, `${'f'.repeat(32)}.json`), '{"percentage":1,"timestamp":"1","document":"a"}')
  await writeFile(join(folder, '.tmp-1'), '')
  const told: unknown[] = []
  const outbox = await OutboxFiles.open(dir, (error) => told.push(error))
  t.equal(told.length, 4)
  t.match(outbox.entries, [{ document: 'a', username: '', account: '', progress: '', tries: 0, due: 0 }])
  t.equal((await filesOf(dir)).filter((name) => name.includes('.corrupt-')).length, 4)
  t.ok((await filesOf(dir)).includes('.tmp-1'))
})

t.test('a write that fails is told to its own push alone, and the next one goes on', async (t) => {
  const dir = t.testdir({})
  const outbox = await OutboxFiles.open(dir, fail)
  const folder = join(dir, '.audiobookshelf', 'outbox')
  await outbox.put(ann, record)
  const [name = ''] = await filesOf(dir)
  await outbox.delete(outbox.entries[0]!)
  await mkdir(join(folder, name, 'in-the-way'), { recursive: true })
  const [failed, other] = await Promise.allSettled([
    outbox.put(ann, record),
    outbox.put(ann, { ...record, document: 'other' }),
  ])
  t.equal(failed.status, 'rejected')
  t.equal(other.status, 'fulfilled', 'another one in the same batch is written')
  t.equal(outbox.entries.length, 2, 'both are sent all the same')
  await chmod(folder, 0o700)
})

t.test('the next try is after 2, 4, 8 … 60 s, a fifth more or less', (t) => {
  t.same(
    [1, 2, 3, 4, 5, 6, 50].map((tries) => delayOf(tries, 0.5)),
    [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000],
  )
  t.equal(delayOf(1, 0), 1600)
  t.equal(delayOf(6, 1), 72_000)
  t.end()
})

t.test('what was acknowledged is whole after a kill -9 in the middle of more', async (t) => {
  const dir = t.testdir({})
  const module = join(import.meta.dirname, '..', '..', 'src', 'audiobookshelf', 'outbox-files.ts')
  const script = `
    const { OutboxFiles } = await import(${JSON.stringify(module)})
    const outbox = await OutboxFiles.open(${JSON.stringify(dir)}, (error) => { throw error })
    for (let n = 1; ; n += 1) {
      await outbox.put({ username: 'ann', id: 'id-1' }, { ...${JSON.stringify(record)}, document: 'd' + (n % 5), timestamp: n })
      console.log(n)
    }`
  const loader = join(import.meta.dirname, '..', '..', 'build', 'typescript.js')
  const child = spawn(process.execPath, ['--import', loader, '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {},
  })
  let last = 0
  child.stdout.on('data', (chunk: Buffer) => {
    last = Math.max(last, ...String(chunk).trim().split('\n').map(Number))
    if (last > 40) child.kill('SIGKILL')
  })
  await once(child, 'close')
  const outbox = await OutboxFiles.open(dir, fail)
  const times = outbox.entries.map(({ timestamp }) => timestamp)
  t.equal(times.length, 5)
  t.ok(Math.max(...times) >= last, 'the newest that was acknowledged, or one more')
  for (const name of await filesOf(dir)) {
    if (name.endsWith('.json')) t.ok(JSON.parse(await readFile(join(dir, '.audiobookshelf', 'outbox', name), 'utf8')))
  }
})
