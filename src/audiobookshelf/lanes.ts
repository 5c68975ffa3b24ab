import { Mutex } from '../mutex.ts'

/** One piece of work at a time for each key, in the order of the calls. */
export class Lanes {
  readonly #lanes = new Map<string, { mutex: Mutex; waiting: number }>()

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(key) ?? { mutex: new Mutex(), waiting: 0 }
    this.#lanes.set(key, lane)
    lane.waiting += 1
    try {
      return await lane.mutex.run(work)
    } finally {
      lane.waiting -= 1
      if (lane.waiting === 0) this.#lanes.delete(key)
    }
  }
}
