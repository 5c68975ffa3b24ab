import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Keeps the history of an account from being written, for root too: a file is in the place of its folder. What the
 * folder holds waits beside the state directory.
 */
export class Obstacle {
  readonly #history: string
  readonly #moved: string
  #isThere = false

  constructor(dir: string, username: string) {
    this.#history = join(dir, username, 'history')
    this.#moved = `${dir}-${username}-history`
  }

  get isThere(): boolean {
    return this.#isThere
  }

  /** While no server runs; does nothing before the account has a history. */
  async put(): Promise<void> {
    if (this.#isThere || !(await isDone(rename(this.#history, this.#moved)))) return
    await writeFile(this.#history, '')
    this.#isThere = true
  }

  /** While no server runs. */
  async remove(): Promise<void> {
    if (!this.#isThere) return
    await rm(this.#history)
    await rename(this.#moved, this.#history)
    this.#isThere = false
  }
}

async function isDone(work: Promise<void>): Promise<boolean> {
  return await work.then(
    () => true,
    () => false,
  )
}
