import t from 'tap'
import { formatRecord, sumOf } from '../../../../src/store/file-store/files/read-record.ts'
import { lose } from '../../../../src/store/file-store/wal/document-files.ts'
import { Memtable, type LoggedPush } from '../../../../src/store/file-store/wal/memtable.ts'
import { pushed } from '../../contract.ts'

function logged(progress: string): LoggedPush {
  const record = { ...pushed, progress }
  const sum = sumOf(formatRecord(record))
  return { key: 'abc', path: 'ann/abc.json', record, sum, before: null, line: JSON.stringify(record), foreign: false }
}

t.test('a file whose flush failed is not made good by the write of a later push alone', async (t) => {
  const memtable = new Memtable()
  memtable.add(logged('1'))
  const entry = memtable.get('abc')!
  memtable.written(entry, entry.pending!)
  const failure = new Error('EIO')
  lose(entry, failure)
  // It was on its way into the log when the flush failed.
  memtable.add(logged('2'))
  memtable.written(entry, entry.pending!)
  t.match(entry, { isLost: true, failure, pending: undefined })
})
