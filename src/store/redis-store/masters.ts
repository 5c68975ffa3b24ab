import type * as Redis from '@redis/client'
import { EngineNode, type NodeOptions } from './engine-node.ts'
import { Sentinels, type SentinelOptions } from './sentinels.ts'
import { slotOf, toMasters, type Masters as BySlot } from './topology.ts'
import { hostOf, StoreUnavailable } from './unavailable.ts'

export interface MastersOptions extends NodeOptions {
  /** host:port of nodes of a cluster, each of which tells of all; `url` has what they have in common. None without one. */
  cluster: string[]
  /** Who tell which server it is; `url` has all but its address. */
  sentinels?: SentinelOptions
}

/** Milliseconds between the answer and the next question who the masters are. */
const discoverMs = 1000

/** The server that has all keys, which Sentinels may know, or those of a cluster, each of which has the keys of some slots. */
export class Masters {
  readonly #redis: typeof Redis
  readonly #options: MastersOptions
  readonly #nodes = new Map<string, EngineNode>()
  readonly #sentinels: Sentinels | undefined
  #timer: NodeJS.Timeout | undefined
  #bySlot: BySlot = []
  /** Why no master is known. */
  lost = new StoreUnavailable('the store is not connected yet')
  #turn = 0
  #isClosed = false

  constructor(redis: typeof Redis, options: MastersOptions) {
    this.#redis = redis
    this.#options = options
    this.#sentinels = options.sentinels && new Sentinels(redis, options.sentinels, options)
    if (this.#isOne) this.#bySlot = [options.url.host]
  }

  /** Its address is given. */
  get #isOne(): boolean {
    return this.#options.cluster.length === 0 && !this.#sentinels
  }

  /** Resolves when they are connected, or have failed once. */
  async connect(): Promise<void> {
    await (this.#isOne ? this.all()[0]!.connect() : this.#discover())
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
    clearTimeout(this.#timer)
    for (const node of this.#nodes.values()) node.close()
    this.#sentinels?.close()
  }

  #slotOf(key: string): number {
    return this.#options.cluster.length > 0 ? slotOf(key) : 0
  }

  /** Throws StoreUnavailable when it is closed: nothing would close the connection to a new node. */
  #at(address: string): EngineNode {
    if (this.#isClosed) throw this.lost
    let node = this.#nodes.get(address)
    if (!node) {
      node = new EngineNode(this.#redis, { ...this.#options, url: this.#urlOf(address) })
      this.#nodes.set(address, node)
      void node.connect()
    }
    return node
  }

  #urlOf(address: string): URL {
    const url = new URL(this.#options.url)
    url.host = address
    return url
  }

  /** Asks who the masters are; where nobody tells, those that are known stay. Never rejects. */
  async #discover(): Promise<void> {
    const asked = this.#sentinels ? this.#askSentinels(this.#sentinels) : this.#askNodes()
    const [found] = await Promise.allSettled([asked])
    if (this.#isClosed) return
    if (found.status === 'fulfilled') this.#bySlot = found.value
    else this.lost = found.reason as StoreUnavailable
    await Promise.all(this.all().map((node) => node.connect()))
    this.#closeOthers()
    this.#options.tell()
    this.#timer = setTimeout(() => void this.#discover(), discoverMs).unref()
  }

  /** A Sentinel may not have heard yet that its master is none any more, so the master is asked, too. */
  async #askSentinels(sentinels: Sentinels): Promise<BySlot> {
    const address = await sentinels.findMaster()
    const node = this.#at(address)
    await node.connect()
    const [role] = (await node.ask(['ROLE'])) as [string]
    if (role === 'master') return [address]
    throw new StoreUnavailable(`${hostOf(this.#urlOf(address))} is not the master yet`)
  }

  async #askNodes(): Promise<BySlot> {
    let failure: unknown
    for (const address of this.#candidates()) {
      try {
        const node = this.#at(address)
        await node.connect()
        return toMasters(await node.ask(['CLUSTER', 'SLOTS']), address)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  /** Masters by turns, since one may be cut off from the others; then those that were given. */
  #candidates(): Set<string> {
    const masters = this.all().map(({ address }) => address)
    const first = this.#turn++ % Math.max(masters.length, 1)
    return new Set([...masters.slice(first), ...masters.slice(0, first), ...this.#options.cluster])
  }

  #closeOthers(): void {
    for (const [address, node] of this.#nodes) {
      if (this.#bySlot.includes(address)) continue
      node.close()
      this.#nodes.delete(address)
    }
  }
}
