import type * as Redis from '@redis/client'
import { EngineNode, type NodeOptions } from './engine-node.ts'
import { slotOf, toMasters, type Masters as BySlot } from './topology.ts'
import { StoreUnavailable } from './unavailable.ts'

export interface MastersOptions extends NodeOptions {
  /** host:port of nodes of a cluster, each of which tells of all; `url` has what they have in common. None without one. */
  cluster: string[]
}

/** Milliseconds after which it is asked again who the masters are. */
const discoverMs = 1000

/** The server that has all keys, or those of a cluster, each of which has the keys of some slots. */
export class Masters {
  readonly #redis: typeof Redis
  readonly #options: MastersOptions
  readonly #nodes = new Map<string, EngineNode>()
  readonly #timer: NodeJS.Timeout | undefined
  #bySlot: BySlot = []
  /** Why no master is known. */
  lost = new StoreUnavailable('the store is not connected yet')
  #turn = 0
  #isDiscovering = false
  #isClosed = false

  constructor(redis: typeof Redis, options: MastersOptions) {
    this.#redis = redis
    this.#options = options
    if (options.cluster.length > 0) this.#timer = setInterval(() => void this.#discover(), discoverMs).unref()
    else this.#bySlot = [options.url.host]
  }

  /** Resolves when they are connected, or have failed once. */
  async connect(): Promise<void> {
    await (this.#options.cluster.length > 0 ? this.#discover() : this.all()[0]!.connect())
  }

  all(): EngineNode[] {
    return [...new Set(this.#bySlot)].flatMap((address) => (address === undefined ? [] : [this.#at(address)]))
  }

  /** Throws StoreUnavailable. */
  of(key: string): EngineNode {
    const address = this.#bySlot[this.#slotOf(key)]
    if (address !== undefined) return this.#at(address)
    throw this.all().length > 0 ? new StoreUnavailable('A part of the Redis cluster has no master') : this.lost
  }

  /** Takes up what a node said that does not have the key any more. */
  async move(key: string, address: string): Promise<void> {
    this.#bySlot[this.#slotOf(key)] = address
    await this.#at(address).connect()
  }

  /** Also while it asks who the masters are. */
  close(): void {
    this.#isClosed = true
    this.#bySlot = []
    this.lost = new StoreUnavailable('the store is closed')
    clearInterval(this.#timer)
    for (const node of this.#nodes.values()) node.close()
  }

  #slotOf(key: string): number {
    return this.#options.cluster.length > 0 ? slotOf(key) : 0
  }

  /** Throws StoreUnavailable when it is closed: nothing would close the connection to a new node. */
  #at(address: string): EngineNode {
    if (this.#isClosed) throw this.lost
    let node = this.#nodes.get(address)
    if (!node) {
      const url = new URL(this.#options.url)
      url.host = address
      node = new EngineNode(this.#redis, { ...this.#options, url })
      this.#nodes.set(address, node)
      void node.connect()
    }
    return node
  }

  /** Asks one node after the other who the masters are. Never rejects. */
  async #discover(): Promise<void> {
    if (this.#isDiscovering) return
    this.#isDiscovering = true
    for (const address of this.#candidates()) if (await this.#discoverAt(address)) break
    await Promise.all(this.all().map((node) => node.connect()))
    this.#isDiscovering = false
    if (this.#isClosed) return
    this.#closeOthers()
    this.#options.tell()
  }

  /** Masters by turns, since one may be cut off from the others; then those that were given. */
  #candidates(): Set<string> {
    const masters = this.all().map(({ address }) => address)
    const first = this.#turn++ % Math.max(masters.length, 1)
    return new Set([...masters.slice(first), ...masters.slice(0, first), ...this.#options.cluster])
  }

  async #discoverAt(address: string): Promise<boolean> {
    if (this.#isClosed) return false
    try {
      const node = this.#at(address)
      await node.connect()
      const slots = await node.ask(['CLUSTER', 'SLOTS'])
      if (!this.#isClosed) this.#bySlot = toMasters(slots, address)
      return true
    } catch (error) {
      if (!this.#isClosed) this.lost = error as StoreUnavailable
      return false
    }
  }

  #closeOthers(): void {
    for (const [address, node] of this.#nodes) {
      if (this.#bySlot.includes(address)) continue
      node.close()
      this.#nodes.delete(address)
    }
  }
}
