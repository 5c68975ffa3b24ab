import t from 'tap'
import { count, formatBytes, formatDuration } from '../../src/console/units.ts'

for (const [bytes, text] of [
  [0, '0 bytes'],
  [1023, '1023 bytes'],
  [1024, '1 KB'],
  [12_390_000, '11.8 MB'],
  [5 * 1024 ** 5, '5120 TB'],
] as const) {
  t.test(`${bytes} bytes are ${text}`, async (t) => t.equal(formatBytes(bytes), text))
}

for (const [seconds, text] of [
  [0, '0 minutes'],
  [60, '1 minute'],
  [7199, '119 minutes'],
  [7200, '2 hours'],
  [172_799, '47 hours'],
  [172_800, '2 days'],
] as const) {
  t.test(`${seconds} seconds are ${text}`, async (t) => t.equal(formatDuration(seconds), text))
}

t.test('thousands are grouped', async (t) => t.equal(count(1200, 'document'), '1,200 documents'))
