/** Strings, numbers, words and signs of JSON; what else there is ends the text. */
const token =
  /[ \t\n\r]*(?:("(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\]:,]))/uy

/**
 * Where the text stops being JSON: the number of the character, from 1. Undefined when it is JSON. The errors of
 * JSON.parse quote the text, which may be a secret, and not all of them have a position.
 */
export function jsonErrorAt(text: string): number | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch {
    return scan(text) + 1
  }
}

type Expected = 'value' | 'firstValue' | 'name' | 'firstName' | 'colon' | 'next'

function scan(text: string): number {
  const open: string[] = []
  let expected: Expected = 'value'
  let at = 0
  for (;;) {
    token.lastIndex = at
    const [all = '', value, sign = ''] = token.exec(text) ?? []
    const end = at + all.length
    const after: Expected | undefined = all === '' ? undefined : follow(expected, open, value, sign)
    if (after === undefined) return skipBlanks(text, at)
    expected = after
    at = end
  }
}

/** What may come after the token; undefined when it may not be there. */
function follow(expected: Expected, open: string[], value: string | undefined, sign: string): Expected | undefined {
  // A value at the top ends the text.
  if (expected === 'next' && open.length === 0) return undefined
  if (expected === 'name' || expected === 'firstName') {
    if (value?.startsWith('"')) return 'colon'
    return expected === 'firstName' && sign === '}' ? close(open) : undefined
  }
  if (expected === 'colon') return sign === ':' ? 'value' : undefined
  if (expected === 'next') {
    if (sign === ',') return open.at(-1) === '}' ? 'name' : 'value'
    return sign !== '' && sign === open.at(-1) ? close(open) : undefined
  }
  if (value !== undefined) return 'next'
  if (sign === '{' || sign === '[') {
    open.push(sign === '{' ? '}' : ']')
    return sign === '{' ? 'firstName' : 'firstValue'
  }
  return expected === 'firstValue' && sign === ']' ? close(open) : undefined
}

function close(open: string[]): Expected {
  open.pop()
  return 'next'
}

function skipBlanks(text: string, from: number): number {
  return from + /^[ \t\n\r]*/.exec(text.slice(from))![0].length
}
