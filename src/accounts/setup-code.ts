import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Milliseconds. */
const lifetime = 30 * 60_000

/** Crockford's: without letters that look like digits. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * The code that lets a person make the first operator: a start prints it for who can read the terminal, and the page asks
 * for it. It works once, for half an hour. Only its SHA-256 stays in memory.
 */
export class SetupCode {
  readonly #hash: Buffer
  readonly #until: number
  readonly #now: () => number
  #isUsed = false

  private constructor(code: string, now: () => number) {
    this.#hash = hashOf(code)
    this.#until = now() + lifetime
    this.#now = now
  }

  /** 60 random bits, as `7K2M-93QX-WB4D`. `now` gives milliseconds since 1970. */
  static create(now: () => number): { code: string; setupCode: SetupCode } {
    const letters = Array.from(randomBytes(12), (byte) => alphabet[byte % alphabet.length]).join('')
    return { code: letters.match(/.{4}/g)!.join('-'), setupCode: new SetupCode(letters, now) }
  }

  get isValid(): boolean {
    return !this.#isUsed && this.#now() < this.#until
  }

  /** Whether it is the code, however it was typed: blanks, dashes and capitals do not matter. */
  matches(typed: string): boolean {
    const letters = typed
      .toUpperCase()
      .replaceAll('O', '0')
      .replace(/[IL]/g, '1')
      .replace(/[^\dA-Z]/g, '')
    return timingSafeEqual(hashOf(letters), this.#hash) && this.isValid
  }

  /** Uses the code up with the work, unless that fails. False when somebody was faster. */
  async use(work: () => Promise<unknown>): Promise<boolean> {
    if (!this.isValid) return false
    this.#isUsed = true
    try {
      await work()
      return true
    } catch (error) {
      this.#isUsed = false
      throw error
    }
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
