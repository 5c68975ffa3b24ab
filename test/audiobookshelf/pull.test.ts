import t from 'tap'
import { until } from '../until.ts'
import { book, Bridged } from './bridged.ts'

const at = (fragment: number): string => `/body/DocFragment[${fragment}]/body/h1/text().0`

t.test('a failure of one item keeps its next pulls from asking for 30 s, and no others', async (t) => {
  const bridged = await Bridged.start(t)
  await bridged.push(0.1, at(2))
  await bridged.delivered()
  const { stub } = bridged
  stub.fault = 'page502'
  const before = stub.seen.length
  for (let n = 0; n < 3; n += 1) t.match(await bridged.pull(), { device: 'kobo' })
  t.equal(stub.seen.length, before + 1)
  t.ok(bridged.bridge.parts.outage.mayPull())
  stub.fault = undefined
  bridged.pass(31)
  bridged.listen(1800)
  t.match(await bridged.pull(), { device_id: `abs:${book.id}` })
})

t.test('an ebook that takes long is waited for once, and does not count as a slow answer', async (t) => {
  let ahead = 0
  const now = performance.now.bind(performance)
  performance.now = () => now() + ahead
  t.teardown(() => Reflect.deleteProperty(performance, 'now'))
  const bridged = await Bridged.start(t, {}, { budgetMs: 10_000 })
  bridged.listen(1800, 100)
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  bridged.stub.hold = (path) => (path.endsWith('/ebook') ? released : undefined)
  const { outage } = bridged.bridge.parts
  const pull = bridged.pull()
  await until(() => bridged.stub.seenOf('GET', /ebook$/).length === 1)
  outage.ranOut()
  ahead = 60_000
  release()
  t.match(await pull, { device_id: `abs:${book.id}` })
  t.ok(outage.mayPull())
})
