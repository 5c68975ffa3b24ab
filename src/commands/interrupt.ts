import { CommandError } from '../command-error.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs work that must clean up when interrupted: the first signal aborts it, a second one ends the process. Throws
 * CommandError with the message after an interruption; the message may depend on the progress of the work.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>, message: () => string): Promise<T> {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  for (const name of signals) process.once(name, abort)
  return await work(controller.signal)
    .catch((error: unknown) => {
      throw controller.signal.aborted ? new CommandError(message()) : error
    })
    .finally(() => {
      for (const name of signals) process.off(name, abort)
    })
}
