/** The same numbers for the same seed, so that what a test finds it finds again. */
export interface Random {
  /** A whole number from 0 to one less than the limit. */
  below: (limit: number) => number
}

/** Mulberry32: 32 bits of state, enough for picking samples. */
export function createRandom(seed: number): Random {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { below: (limit) => Math.floor(next() * limit) }
}
