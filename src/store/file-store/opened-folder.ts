import { statSync, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { unlessAbsent } from '../../error-code.ts'

/** The path of the state directory leads to another folder than at the start, or to none. `code` is `FOLDER_REPLACED`. */
export class FolderReplaced extends Error {
  readonly code = 'FOLDER_REPLACED'

  constructor(dir: string) {
    super(`The folder ${dir} is not the one that was opened: put that one back, or restart kss`)
  }
}

/** The state directory as it was when it was opened. What is written by its path must not get into another one. */
export class OpenedFolder {
  readonly #dir: string
  readonly #tell: (error: unknown) => void
  readonly #identity: string

  /** `tell` is called each time that another folder is found. */
  constructor(dir: string, tell: (error: unknown) => void) {
    this.#dir = dir
    this.#tell = tell
    this.#identity = identity(statSync(dir))
  }

  /** Rejects with FolderReplaced. */
  async check(): Promise<void> {
    if (await this.isInPlace()) return
    const error = new FolderReplaced(this.#dir)
    this.#tell(error)
    throw error
  }

  /** Whether the path still leads to it. Rejects when the disk cannot say. */
  async isInPlace(): Promise<boolean> {
    const stats = await unlessAbsent(stat(this.#dir))
    return stats !== undefined && identity(stats) === this.#identity
  }
}

function identity({ dev, ino }: Stats): string {
  return `${dev} ${ino}`
}
