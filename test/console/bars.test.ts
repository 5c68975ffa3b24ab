import t from 'tap'
import { bars } from '../../src/console/bars.ts'

const heightsOf = (values: number[]): number[] =>
  [
    ...bars('A title', values)
      .toString()
      .matchAll(/height="(\d+)"><\/rect>/g),
  ]
    .map(([, height]) => Number(height))
    .slice(0, -1)

t.test('the highest bar fills the chart, the least is still seen, nothing is no bar', async (t) => {
  t.same(heightsOf([0, 1, 500, 1000]), [2, 40, 80])
  t.same(heightsOf([0, 0]), [])
})

t.test('a chart has a title for those who do not see it', async (t) => {
  t.match(bars('<b>', [1]).toString(), /^<svg role="img" [^>]*>\s*<title>&lt;b&gt;<\/title>/)
})
