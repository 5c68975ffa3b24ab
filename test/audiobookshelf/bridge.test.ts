import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { testBridge } from './bridge-contract.ts'
import { Bridged } from './bridged.ts'

const at = (fragment: number): string => `/body/DocFragment[${fragment}]/body/h1/text().0`

t.test('in a folder', (t) => {
  testBridge(t, (...args) => Bridged.start(...args))
  t.end()
})

t.test('until files may change nothing is asked, and a damaged entry is told and set aside', async (t) => {
  const bridged = await Bridged.start(t)
  await bridged.push(0.1, at(2))
  await bridged.delivered()
  bridged.pass(100)
  bridged.listen(1800)
  const { length } = bridged.stub.seen
  const told: string[] = []
  bridged.options = {
    whole: new Promise(() => undefined),
    logger: pino({ level: 'error' }, { write: (line: string) => void told.push(line) }),
  }
  await writeFile(join(bridged.dir, '.audiobookshelf', 'outbox', `${'0'.repeat(32)}.json`), '{')
  await bridged.reopen()
  t.match(await bridged.pull(), { device: 'kobo' })
  t.equal(bridged.stub.seen.length, length)
  t.match(told, [/damaged entry of the outbox/])
  t.same(bridged.bridge.parts.outbox.entries, [])
})
