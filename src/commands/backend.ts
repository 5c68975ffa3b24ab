import type { FastifyBaseLogger } from 'fastify'
import type { Call } from '../control/control-channel.ts'
import type { OpenedStore } from '../control/open-store.ts'
import type { FormatChange } from './held-changes.ts'

/** Where a server has its accounts and positions: a folder, or an engine. */
export interface Backend {
  /** For a person, once the log is there. */
  warnings: () => Promise<string[]>
  open: (logger: FastifyBaseLogger, onDamage: (error: unknown) => void) => Promise<OpenedBackend>
  /** Makes the server execute the calls of commands, where commands do not use the engine themselves. */
  answer: (call: Call) => void
  /** Rejects while the engine is away. */
  countUsers: () => Promise<number>
  /** The fields that a start logs about the place. */
  place: Record<string, string>
  /** Removes left-over files once the server listens. Never rejects. */
  tidy: (onDamage: (error: unknown) => void) => void
  /** Unlocks the folder, or closes the connection to the engine. */
  release: () => Promise<void>
}

export interface OpenedBackend {
  opened: OpenedStore
  hashesKeys: () => boolean
  /** Defined while the backup before a change of format is made. */
  formatChange: FormatChange | undefined
}
