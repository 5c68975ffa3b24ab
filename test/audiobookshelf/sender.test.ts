import t from 'tap'
import { Failure } from '../../src/audiobookshelf/failure.ts'
import { Outage } from '../../src/audiobookshelf/outage.ts'
import type { Outbox } from '../../src/audiobookshelf/bridge-storage.ts'
import { OutboxFiles } from '../../src/audiobookshelf/outbox-files.ts'
import type { Parts } from '../../src/audiobookshelf/parts.ts'
import { Sender } from '../../src/audiobookshelf/sender.ts'

const ann = Object.freeze({ username: 'ann', folder: 'ann', id: 'id-1', generation: 1 })
const record = { document: 'abc', progress: '/body/DocFragment[2].0', percentage: 0.2, device: 'kobo', timestamp: 1000 }

t.test('what is due is looked at a second later while a pull finds out whether Audiobookshelf is back', async (t) => {
  const clock = { ms: 1_000_000 }
  const now = (): number => clock.ms
  const outage = new Outage(now, () => 0.5)
  const outbox = await OutboxFiles.open(t.testdir({}), (error) => {
    throw error
  })
  const sender = new Sender(
    { outbox: outbox as Outbox, outage, now } as Parts,
    () => 0.5,
    () => t.fail(),
  )
  t.equal(sender.run(), undefined, 'nothing waits')
  await outbox.put(ann, record)
  outage.failed(new Failure('unreachable', 'cannot be reached'))
  t.equal(sender.run(), outage.nextSend)
  clock.ms = outage.nextSend
  let end = (): void => undefined
  const pull = outage.probe(() => new Promise<void>((resolve) => (end = resolve)))
  t.equal(sender.run(), clock.ms + 1000)
  end()
  await pull
})
