import { html, type Html, type Part } from './page.ts'

/** A column: its head, and whether its cells name the rows, are numbers, or need no label in a narrow window. */
export type Column = readonly [head: string, is?: 'name' | 'number' | 'plain']

/** A table on the operators' pages. */
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
