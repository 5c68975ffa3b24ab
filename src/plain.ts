/**
 * Characters that a terminal obeys or does not show, or that change the order of the text: C0, DEL, C1 (Cc); marks of
 * direction, zero-width characters, the soft hyphen and tags (Cf); line and paragraph separators (Zl, Zp); surrogates
 * without their other half (Cs); and the tags' unassigned neighbours. The one set of all output.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u{e0000}-\u{e007f}]/gu

/** Most text needs no further look. */
const hasOnlyAscii = /^[\n\x20-\x7e]*$/

/** The text on one line that a terminal can show: each unsafe character as `\u{1b}`. It may come from the network. */
export function plain(text: string): string {
  return text.replace(unsafe, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** The same of each line. */
export function plainLines(text: string): string {
  return hasOnlyAscii.test(text) ? text : text.split('\n').map(plain).join('\n')
}

/** JSON that a terminal can show: the same value, with each unsafe character as `\u001b`. */
export function plainJson(value: unknown, indent?: number): string {
  return escapeJson(JSON.stringify(value, undefined, indent))
}

/** The same of text that is JSON already, one or more lines of it. */
export function escapeJson(json: string): string {
  if (hasOnlyAscii.test(json)) return json
  return json.replace(unsafe, (character) => (character === '\n' ? character : escapeUnits(character)))
}

/** Neither quotes nor backslashes, nor anything else that JSON or a terminal needs escaped. */
const needsNoEscape = /^[ !#-[\]-~]*$/

/** As JSON.stringify gives it, in a fraction of the time for most text. */
export function quote(text: string): string {
  return needsNoEscape.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** As plainJson gives it, in a fraction of the time for most text. */
export function plainQuote(text: string): string {
  return needsNoEscape.test(text) ? `"${text}"` : plainJson(text)
}

/** Two units where the character is no single one. */
function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}
