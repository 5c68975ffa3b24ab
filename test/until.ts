import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves once the condition holds. Has no limit of its own: the machine may be busy, and tap ends a test that hangs. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(10)
}
