import { setTimeout as sleep } from 'node:timers/promises'
import type { Teardown } from '../store/file-store/faulty-disk.ts'
import { Machine, Violation, type RunOptions, type RunReport } from './machine.ts'
import { Requests, settledMs } from './requests.ts'

/**
 * Two accounts, their documents and a disk whose calls fail, most often flushes, that hangs for a moment, and whose power
 * goes. A model says what the store must have after each answer: what was acknowledged, and after an error the old or the
 * new. Waits are real, so a seed repeats the steps, but not the moments of the checkpoints.
 */
export async function runFaults(t: Teardown, options: RunOptions): Promise<RunReport> {
  const machine = new Machine(t, options)
  const requests = new Requests(machine)
  try {
    await machine.start()
    for (let step = 0; step < options.steps; step += 1) await takeStep(machine, requests)
    await requests.verify('at the end')
    if (!(await machine.store.admin.flush())) machine.violate('not all could be written to a disk that works')
    await requests.verify('at the end, flushed')
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    machine.report.violation = error.message
  } finally {
    await machine.close()
  }
  return machine.report
}

async function takeStep(machine: Machine, requests: Requests): Promise<void> {
  const { random } = machine
  const step = random.choose<() => unknown>([
    [9, () => (machine.isFaulty ? machine.mend() : machine.breakDisk())],
    [2, () => machine.hang()],
    [4, () => sleep(random.pick([50, 600, settledMs]))],
    [4, () => machine.attempt('flush', () => machine.store.admin.flush())],
    [6, () => crash(machine, requests)],
    [2, () => machine.restart()],
    [73, () => requests.send()],
  ])
  await step()
}

async function crash(machine: Machine, requests: Requests): Promise<void> {
  await machine.crash()
  if (machine.random.chance(0.5)) await requests.verify('after a crash')
}
