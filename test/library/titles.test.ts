import t from 'tap'
import { nameOf, titleOf } from '../../src/library/titles.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { pushed } from '../store/contract.ts'

t.test('a title is that of the operator, else the book’s own, else the file name; an empty one is none', (t) => {
  for (const [given, title] of [
    [{ title: 'Dune', metadata: { title: 'dune', filename: 'd.epub' } }, 'Dune'],
    [{ metadata: { title: 'dune', filename: 'd.epub' } }, 'dune'],
    [{ metadata: { title: '', filename: 'd.epub' } }, 'd.epub'],
    [{ title: '', metadata: { filename: '' } }, ''],
    [{}, ''],
  ] as [Partial<Progress>, string][]) {
    t.equal(titleOf({ ...pushed, ...given }), title)
    t.equal(nameOf({ ...pushed, ...given }), title === '' ? 'abc' : `${title} (abc)`)
  }
  t.end()
})
