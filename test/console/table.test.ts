import t from 'tap'
import { html } from '../../src/console/page.ts'
import { table } from '../../src/console/table.ts'

t.test('a table has heads, and a label on each cell that a list needs one for', async (t) => {
  const rows = [[html`<b>Ann</b>`, 3, '<x>', 'more']]
  const columns = [['Name', 'name'], ['Books', 'number'], ['Seen'], ['Remarks', 'plain']] as const
  t.equal(
    table(columns, rows).toString(),
    '<table><thead><tr><th scope="col">Name</th><th scope="col" class="number">Books</th><th scope="col">Seen</th>' +
      '<th scope="col">Remarks</th></tr></thead>\n<tbody><tr><th scope="row"><b>Ann</b></th>' +
      '<td data-label="Books" class="number">3</td><td data-label="Seen">&lt;x&gt;</td><td>more</td></tr>\n</tbody></table>',
  )
})
