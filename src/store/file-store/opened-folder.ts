import { statSync, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { unlessAbsent } from '../../error-code.ts'

/** The state directory was replaced or removed since it was opened. `code` is `FOLDER_REPLACED`. */
export class FolderReplaced extends Error {
  readonly code = 'FOLDER_REPLACED'

  constructor(dir: string) {
    super(`The folder ${dir} is not the one that was opened: put that one back, or restart kss`)
  }
}

/** The identity of the state directory when it was opened. Nothing may be written to another folder at its path. */
export class OpenedFolder {
  readonly #dir: string
  readonly #tell: (error: unknown) => void
  readonly #identity: string

  /** `tell` is called whenever a check finds another folder. */
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

  /** Whether the path still leads to the opened folder. Rejects if the disk cannot tell. */
  async isInPlace(): Promise<boolean> {
    const stats = await unlessAbsent(stat(this.#dir))
    return stats !== undefined && identity(stats) === this.#identity
  }
}

function identity({ dev, ino }: Stats): string {
  return `${dev} ${ino}`
}
