/** Exit codes of every command. @see DESIGN.md §8 */
export const exitCodes = { failure: 1, usage: 2, inUse: 3, damaged: 4 } as const

/** What ends a command: a line for a person that says what to do, and the exit code. */
export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.failure, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}
