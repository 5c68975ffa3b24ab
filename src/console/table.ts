import { html, type Html, type Part } from './page.ts'

/** Its head; and whether its cells name their rows, are numbers, or need no label where a narrow window makes a list of the table. */
export type Column = readonly [head: string, is?: 'name' | 'number' | 'plain']

/** A table of the operator's pages. */
export function table(columns: readonly Column[], rows: Part[][]): Html {
  const heads = columns.map(([head, is]) => html`<th scope="col"${numberClass(is)}>${head}</th>`)
  const lines = rows.map((row) => html`<tr>${row.map((content, at) => cell(columns[at]!, content))}</tr>\n`)
  return html`<table><thead><tr>${heads}</tr></thead>
<tbody>${lines}</tbody></table>`
}

function cell([head, is]: Column, content: Part): Html {
  if (is === 'name') return html`<th scope="row">${content}</th>`
  return html`<td${is !== 'plain' && html` data-label="${head}"`}${numberClass(is)}>${content}</td>`
}

function numberClass(is: Column[1]): Part {
  return is === 'number' && html` class="number"`
}
