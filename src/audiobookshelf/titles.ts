/** Titles of chapters, folded so that those of an EPUB and of an audiobook can be compared. */
export interface FoldedTitle {
  /** The whole title. */
  whole: string
  /** The number at its start, after the word "chapter" if there. */
  number: string | undefined
  /** The rest after the number. */
  rest: string
}

const units = 'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen'
  .concat(' sixteen seventeen eighteen nineteen')
  .split(' ')
const tens = ' x twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')
const ordinals = new Map([
  ['first', 1],
  ['second', 2],
  ['third', 3],
  ['fourth', 4],
  ['fifth', 5],
  ['sixth', 6],
  ['seventh', 7],
  ['eighth', 8],
  ['ninth', 9],
  ['tenth', 10],
])
const roman = /^(?=[ivxlc])(?:c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})$/
const romanValues: Record<string, number> = { i: 1, v: 5, x: 10, l: 50, c: 100 }

/** Words that may precede the number of a chapter. */
const labels = new Set(['chapter', 'chap', 'ch', 'kapitel', 'chapitre', 'capitulo', 'capitolo', 'hoofdstuk', 'track'])

export function foldTitle(title: string): FoldedTitle {
  const words = title
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[\p{M}'’]/gu, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
  const folded = foldNumbers(words)
  const from = labels.has(folded[0] ?? '') ? 1 : 0
  const number = /^\d+$/.test(folded[from] ?? '') ? String(Number(folded[from])) : undefined
  return { whole: folded.join(' '), number, rest: folded.slice(number === undefined ? 0 : from + 1).join(' ') }
}

/** Whether both are one chapter: one title may lack the number, or consist of it. */
export function isSameTitle(one: FoldedTitle, other: FoldedTitle): boolean {
  if (one.whole === '' || other.whole === '') return false
  if (one.whole === other.whole) return true
  if (one.number !== undefined && one.number === other.number)
    return one.rest === '' || other.rest === '' || one.rest === other.rest
  return one.rest !== '' && one.rest === other.rest && (one.number === undefined || other.number === undefined)
}

function foldNumbers(words: string[]): string[] {
  const folded: string[] = []
  for (let at = 0; at < words.length; at += 1) {
    const ten = tens.indexOf(words[at]!)
    const unit = units.indexOf(words[at + 1] ?? '')
    if (ten > 1 && unit > 0 && unit < 10) {
      folded.push(String(ten * 10 + unit))
      at += 1
    } else folded.push(foldNumber(words[at]!, ten))
  }
  return folded
}

function foldNumber(word: string, ten: number): string {
  if (ten > 1) return String(ten * 10)
  if (units.includes(word)) return String(units.indexOf(word))
  const ordinal = ordinals.get(word)
  if (ordinal !== undefined) return String(ordinal)
  return roman.test(word) ? String(romanNumber(word)) : word
}

function romanNumber(word: string): number {
  const values = word.split('').map((letter) => romanValues[letter]!)
  return values.reduce((sum, value, at) => sum + (value < (values[at + 1] ?? 0) ? -value : value), 0)
}

const matter = new RegExp(
  `^(?:(?:opening|closing|end)? ?credits?|(?:front )?cover|(?:half )?title(?: ?page)?|copyright.*|imprint|colophon|dedication|` +
    `epigraph|contents|table of contents|list of .*|acknowledge?ments?|(?:end|foot)?notes?(?: .*)?|bibliography|references|` +
    `index|glossary|about (?:the|this) .*|about|also by.*|other books.*|by the same author|praise(?: .*)?|newsletter.*|` +
    `advert.*|publishers? note|transcribers? notes?|back cover|landmarks|page list|intro|outro)$`,
)

/** Whether the title is of front or back matter, which only one of the books may have. */
export function isMatter({ whole }: FoldedTitle): boolean {
  return whole === '' || matter.test(whole)
}
