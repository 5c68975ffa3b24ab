import { statSync, type Stats } from 'node:fs'
import { hasCode } from '../../error-code.ts'

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

  /** Throws FolderReplaced. One stat, of what the kernel has in its memory: a thread would take many times as long. */
  check(): void {
    if (this.isInPlace) return
    const error = new FolderReplaced(this.#dir)
    this.#tell(error)
    throw error
  }

  /** Whether the path still leads to it. */
  get isInPlace(): boolean {
    try {
      return identity(statSync(this.#dir)) === this.#identity
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false
      throw error
    }
  }
}

function identity({ dev, ino }: Stats): string {
  return `${dev} ${ino}`
}
