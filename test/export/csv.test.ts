import t from 'tap'
import { csvOf } from '../../src/export/csv.ts'
import { pushed } from '../store/contract.ts'

for (const start of ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
  t.test(`a spreadsheet takes a device ${JSON.stringify(`${start}1`)} for text`, async (t) => {
    const record = { ...pushed, device: `${start}1` }
    const lines: string[] = []
    for await (const line of csvOf([{ username: 'ann', record, rows: [record] }])) lines.push(line)
    t.equal(lines.length, 2)
    t.match(lines[1], `,"'${start}1",`)
  })
}
