/** The text without control characters and marks that turn the direction of writing: it may come from the network. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}
