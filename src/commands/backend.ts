import type { FastifyBaseLogger } from 'fastify'
import type { Call } from '../control/control-channel.ts'
import type { OpenedStore } from '../control/open-store.ts'
import type { FormatChange } from './held-changes.ts'

/** Where a server has its accounts and positions: a folder, or an engine. */
export interface Backend {
  /** For a person, once the log is there. */
  warnings: () => Promise<string[]>
  open: (logger: FastifyBaseLogger, onDamage: (error: unknown) => void) => Promise<OpenedBackend>
  /** Does what commands ask for, where they ask the server. */
  answer: (call: Call) => void
  /** Rejects while the engine is away. */
  countUsers: () => Promise<number>
  /** What a start says of the place. */
  place: Record<string, string>
  /** Done once the server listens. Never rejects. */
  tidy: (onDamage: (error: unknown) => void) => void
  /** Gives it free for others. */
  release: () => Promise<void>
}

export interface OpenedBackend {
  opened: OpenedStore
  hashesKeys: () => boolean
  /** There while the backup before a change of format is made. */
  formatChange: FormatChange | undefined
}
