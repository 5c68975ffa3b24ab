/** Characters of a title, a reader or a name. */
const longest = 100

/** Embeddings, overrides, isolates and marks of direction. */
const marksOfDirection = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A stranger's text as a part of a sentence: it must neither hide the rest nor reverse its direction. */
export function namePart(text: string): string {
  const visible = text.replace(marksOfDirection, '')
  return visible.length <= longest ? visible : `${visible.slice(0, longest).toWellFormed()}…`
}
