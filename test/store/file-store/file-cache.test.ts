import { rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { FileCache } from '../../../src/store/file-store/file-cache.ts'
import { replaceFile } from '../../../src/durable.ts'
import { runAhead } from '../../run-ahead.ts'

t.test('many who ask at once share one read', async (t) => {
  const path = join(t.testdir({ a: 'text' }), 'a')
  let reads = 0
  const cache = new FileCache((text) => ({ text, read: (reads += 1) }))
  t.equal(cache.peek('a'), undefined)
  const values = await Promise.all([cache.get('a', path), cache.get('a', path), cache.get('a', path)])
  t.same(values[0], { text: 'text', read: 1 })
  t.equal(new Set(values).size, 1)
  t.equal(cache.peek('a'), values[0])
})

t.test('what was written while the disk answered is newer than the answer', async (t) => {
  const path = join(t.testdir({ a: 'old' }), 'a')
  const cache = new FileCache((text) => ({ text }))
  const value = cache.get('a', path)
  cache.set('a', path, { text: 'new' })
  t.same(await value, { text: 'new' })
})

t.test('that a key is nowhere else, as was found out meanwhile, says nothing of a file that is there', async (t) => {
  const path = join(t.testdir({ a: 'text' }), 'a')
  let go = (): void => undefined
  const looked = new Promise<void>((resolve) => (go = resolve))
  const cache = new FileCache(async (text) => {
    await looked
    return { text }
  })
  const value = cache.get('a', path)
  t.equal(await cache.get('a', `${path}-elsewhere`), undefined)
  go()
  t.same(await value, { text: 'text' })
})

t.test('what was read while it was forgotten is not kept', async (t) => {
  const path = join(t.testdir({ a: 'old' }), 'a')
  const cache = new FileCache((text) => ({ text }))
  const value = cache.get('a', path)
  cache.delete('a')
  t.same(await value, { text: 'old' })
  t.equal(cache.peek('a'), undefined)
})

t.test('a file is read again when it changed, and only then', async (t) => {
  const pass = runAhead(t)
  const path = join(t.testdir({ a: 'old' }), 'a')
  const cache = new FileCache((text) => ({ text }))
  const old = await cache.get('a', path)
  const written = { text: 'mine' }
  cache.set('a', path, written, await replaceFile(path, 'mine'))
  pass(1000)
  t.equal(await cache.get('a', path), written, 'what one wrote oneself is not read again')
  t.equal(cache.peek('a'), written)
  await writeFile(path, 'theirs')
  pass(1000)
  t.equal(cache.peek('a'), undefined)
  t.same(await cache.get('a', path), { text: 'theirs' })
  t.same(old, { text: 'old' })
})

t.test('what is forgotten is read anew', async (t) => {
  const dir = t.testdir({ a: { f: 'text' }, ab: { f: 'text' } })
  const cache = new FileCache((text) => ({ text }))
  await Promise.all(['a/f', 'ab/f'].map((key) => cache.get(key, join(dir, key))))
  cache.deleteFolder(join(dir, 'a'))
  t.equal(cache.peek('a/f'), undefined)
  t.ok(cache.peek('ab/f'))
  cache.delete('ab/f')
  t.equal(cache.peek('ab/f'), undefined)
  cache.deleteFolder(join(dir, 'ab'))
  cache.set('a/f', join(dir, 'a/f'), undefined)
  cache.set('a/g', join(dir, 'a/g'), { text: 'written' })
  cache.deleteFolder(join(dir, 'a'))
  t.equal(cache.peek('a/g'), undefined)
  t.same(await cache.get('a/f', join(dir, 'a/f')), { text: 'text' })
})

t.test('a file that can no longer be looked at is not served from memory', async (t) => {
  const dir = t.testdir({ a: { f: 'text' } })
  const path = join(dir, 'a', 'f')
  const cache = new FileCache((text) => ({ text }))
  await cache.get('f', path)
  await rename(join(dir, 'a'), join(dir, 'b'))
  await symlink('a', join(dir, 'a'))
  const later = performance.now() + 1000
  t.intercept(performance, 'now', { value: () => later })
  t.equal(cache.peek('f'), undefined)
  await t.rejects(cache.get('f', path), { code: 'DAMAGED_FILE' })
})

t.test('keys without a file push out nothing that is there', async (t) => {
  const path = join(t.testdir({ a: 'text' }), 'a')
  const cache = new FileCache((text) => ({ text }))
  const value = await cache.get('a', path)
  // More than there is room for, were they kept with the others.
  const long = 'x'.repeat(10_000)
  for (let number = 0; number < 12_000; number++) cache.set(`${number}${long}`, path, undefined)
  t.equal(await cache.get('a', path), value, 'the same object, so its file was not parsed again')
  cache.set('a', path, undefined)
  t.equal(cache.peek('a'), undefined)
  t.equal(await cache.get('a', path), undefined)
  cache.clear()
  t.same(await cache.get('a', path), { text: 'text' })
})
