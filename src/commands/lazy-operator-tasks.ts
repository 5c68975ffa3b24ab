import type { OperatorTasks } from '../console/operator-tasks.ts'
import type { OperatorTasksOptions } from './operator-tasks.ts'

export interface LazyOperatorTasks {
  /** Loads them at the first call: a start needs none of what they are made of. */
  open: () => Promise<OperatorTasks>
  /** Aborts the tasks under way. Resolves when they have ended. */
  stop: () => Promise<void>
}

export function lazyOperatorTasks(options: OperatorTasksOptions): LazyOperatorTasks {
  let opened: Promise<OperatorTasks & { stop: () => Promise<void> }> | undefined
  const load = async (): Promise<OperatorTasks & { stop: () => Promise<void> }> => {
    const { createOperatorTasks } = await import('./operator-tasks.ts')
    return createOperatorTasks(options)
  }
  return {
    open: () => (opened ??= load()),
    stop: async () => (await opened)?.stop(),
  }
}
