import { statSync } from 'node:fs'
import t from 'tap'
import { formatRecord, sumOf } from '../../../../src/store/file-store/files/read-record.ts'
import { parseRecord, type LogRecord } from '../../../../src/store/file-store/wal/record.ts'
import {
  collectDocuments,
  formatCompacted,
  recoverDocument,
  type LoggedDocument,
} from '../../../../src/store/file-store/wal/recovery.ts'
import { pushed } from '../../contract.ts'
import { keptRecord, pushRecord } from './log-lines.ts'

const path = 'ann/abc.json'
const stats = statSync('.')
const [old, one, two, edited] = ['old', '1', '2', 'edited'].map((progress, at) => ({
  ...pushed,
  progress,
  timestamp: 1000 + at,
}))
const texts = [old, one, two].map((record) => formatRecord(record!))
const [before, after, last] = texts.map(sumOf)
const line = (record: unknown): string => JSON.stringify(record)

function collect(text: string): LoggedDocument {
  const records = text.split('\n').flatMap((each) => parseRecord(each) ?? []) as LogRecord[]
  return collectDocuments(records)[0]!
}

for (const [what, log] of [
  ['a push', pushRecord(path, line(one), true, { before, after })],
  [
    'pushes, one of which is no row, and a record with more than the push',
    pushRecord(path, line(one), false, { before, after }) +
      pushRecord(path, line(two), true, { before: after, after: last, record: { ...two, title: 'Dune' } }),
  ],
  [
    'what was kept, and a push',
    keptRecord(path, [line(one)], line(one)).replace('}\n', `,"sums":["${before}","${after}"]}\n`) +
      pushRecord(path, line(two), true, { before: after, after: last }),
  ],
  ['pushes of kss 0.1, without sums', pushRecord(path, line(one)) + pushRecord(path, line(two))],
] as const) {
  t.test(`one record that stands for ${what} is recovered as they are`, async (t) => {
    const [logged, compacted] = [collect(log), collect(formatCompacted(collect(log)))]
    t.match(compacted, { kept: { kind: 'kept' }, pushes: [] })
    for (const text of [undefined, '', '{"docu', ...texts, texts[0]!.trimEnd(), formatRecord(edited!)]) {
      const found = text === undefined ? undefined : { text, stats }
      const [expected, recovered] = [recoverDocument(logged, found, path), recoverDocument(compacted, found, path)]
      t.same(
        { ...recovered, sums: new Set(recovered.sums) },
        { ...expected, sums: new Set(expected.sums) },
        text ?? 'no file',
      )
    }
  })
}
