import t from 'tap'
import { toProblem } from '../../src/import/imported-rows.ts'
import { DamagedFile } from '../../src/damaged-file.ts'

t.test('tells of damaged data and of the disk, in one line', async (t) => {
  t.strictSame(toProblem(new DamagedFile('a', 'is not JSON'), 'b'), { problem: 'a: is not JSON' })
  t.strictSame(toProblem(Object.assign(new Error('x'), { code: 'ENOENT' }), 'b'), { problem: 'b: is gone' })
  t.strictSame(toProblem(Object.assign(new Error('x'), { code: 'EIO' }), 'b'), { problem: 'b: cannot be read (EIO)' })
})

t.test('does not hide a mistake of ours', async (t) => {
  const mistake = new TypeError('x is not a function')
  t.throws(() => toProblem(mistake, 'b'), mistake)
})
