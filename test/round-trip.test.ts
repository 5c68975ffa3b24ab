import fc from 'fast-check'
import t from 'tap'
import { FileStore } from '../src/store/file-store/file-store.ts'
import { buildReader } from './helper.ts'
import { removeFoldersLast } from './folders-last.ts'
import { byName } from './store/by-name.ts'

removeFoldersLast(t)

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
const wellFormed = text.filter((each) => each.isWellFormed())

/** `app.inject` takes them out of a URL, as browsers do, escaped or not; test/document-url.test.ts sends them on a socket. */
const dotSegments = ['.', '..']

const push = fc.record(
  {
    document: wellFormed.filter(
      (document) => !['', ...dotSegments].includes(document) && document.length <= 1024 && !document.includes(':'),
    ),
    percentage: fc.double({ noNaN: true, noDefaultInfinity: true }),
    progress: wellFormed,
    device: wellFormed,
    device_id: wellFormed,
  },
  { requiredKeys: ['document', 'percentage', 'progress', 'device'] },
)

t.test('what is pushed is pulled byte for byte, from memory, and from the files after a restart', async (t) => {
  const dir = t.testdir({})
  const open = () => FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)) })
  const store = await open()
  const reader = await buildReader(t, { store })
  const pushed = new Map<string, object>()
  await fc.assert(
    fc.asyncProperty(push, async (body) => {
      // JSON has no negative zero.
      const expected = { ...body, percentage: body.percentage + 0 }
      const reply = await reader.update(body)
      const pulled = await reader.get(body.document)
      const { timestamp, ...rest } = pulled.json<Record<string, unknown>>()
      pushed.set(body.document, { ...expected, timestamp })
      t.same(rest, expected)
      t.equal(reply.payload, JSON.stringify({ document: body.document, timestamp }))
    }),
    { numRuns: 300 },
  )
  await store.close()
  const next = await open()
  for (const [document, expected] of pushed) t.same(await byName(next).getProgress('ann', document), expected)
  await next.close()
})
