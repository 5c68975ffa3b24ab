import type { Test } from 'tap'
import { EngineNode } from '../../../src/store/redis-store/engine-node.ts'
import type { Script } from '../../../src/store/redis-store/scripts.ts'
import { StoreUnavailable } from '../../../src/store/redis-store/unavailable.ts'

/** What happens at a command. */
export interface Fault {
  /** Commands until then, this one included. */
  left: number
  /** Counts only runs of this one. */
  script?: Script
  /** Instead of the command. Without one it fails. */
  meanwhile?: () => Promise<unknown>
  /** The command is done, and only its answer is lost. */
  isLate?: boolean
  /** All commands after it fail too. */
  isLast?: boolean
}

/** Commands that no caller asked for. */
const own = new Set(['PING', 'CLUSTER'])

/** Lets a command of all stores of this process fail. */
export function engineFaults(t: Test): { set: (fault: Fault | undefined) => void } {
  const { prototype } = EngineNode
  const ask = Reflect.get(prototype, 'ask')
  let fault: Fault | undefined
  t.teardown(() => (prototype.ask = ask))
  prototype.ask = async function (words, isBinary) {
    const done = async () => await ask.call(this, words, isBinary)
    if (!fault || own.has(String(words[0]))) return await done()
    // With a script, those before it do not count.
    if (fault.script && fault.left > 0 && words[1] !== fault.script.sha) return await done()
    fault.left -= 1
    const { left, meanwhile, isLate, isLast } = fault
    if (left > 0 || (left < 0 && !isLast)) return await done()
    if (meanwhile) {
      fault = undefined
      await meanwhile()
      return await done()
    }
    if (left === 0 && isLate) await done()
    throw new StoreUnavailable('cut off')
  }
  return { set: (next) => (fault = next) }
}
