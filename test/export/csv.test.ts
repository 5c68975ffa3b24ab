import t from 'tap'
import { csvOf } from '../../src/export/csv.ts'
import { record } from '../check/damage.ts'

const damage = (error: unknown): void => {
  throw error
}

for (const start of ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
  t.test(`a spreadsheet takes a device ${JSON.stringify(`${start}1`)} for text`, async (t) => {
    const folder = t.testdir({ 'abc.json': record('p1', 1001, 'abc', { device: `${start}1` }) })
    const lines: string[] = []
    for await (const line of csvOf([{ username: 'ann', folder }], damage)) lines.push(line)
    t.equal(lines.length, 2)
    t.match(lines[1], `,"'${start}1",`)
  })
}
