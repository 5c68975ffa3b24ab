import { html, type Html } from './page.ts'

const width = 600
const height = 80
const gap = 2

/** A small chart of whole numbers, one bar each, from left to right. The title says what it shows. */
export function bars(title: string, values: number[]): Html {
  const most = Math.max(...values, 1)
  const step = width / values.length
  const each = values.map((value, at) => {
    // The smallest number is still visible.
    const tall = value === 0 ? 0 : Math.max(Math.round((value / most) * height), 2)
    return tall > 0 && html`<rect x="${at * step}" y="${height - tall}" width="${step - gap}" height="${tall}"></rect>`
  })
  return html`<svg role="img" viewBox="0 0 ${width} ${height + 1}" width="${width}" height="${height + 1}" fill="currentColor">
    <title>${title}</title>
    ${each}
    <rect x="0" y="${height}" width="${width}" height="1"></rect>
  </svg>`
}
