import type * as Redis from '@redis/client'
import { EngineNode, type NodeOptions } from './engine-node.ts'
import { Sentinels, type SentinelOptions } from './sentinels.ts'
import { slotOf, toMasters, type Masters as BySlot } from './topology.ts'
import { hostOf, StoreUnavailable } from './unavailable.ts'

export interface MastersOptions extends NodeOptions {
  /** host:port of some nodes of a cluster, each of which knows all; `url` has their common parts. Empty without a cluster. */
  cluster: string[]
  /** The Sentinels that know the master; `url` has all but its address. */
  sentinels?: SentinelOptions
}

/** Milliseconds from one look-up of the masters to the next. */
const discoverMs = 1000

/** The master that has all keys, perhaps named by Sentinels, or those of a cluster, each with the keys of some slots. */
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

  /** The address is in the settings. */
  get #isOne(): boolean {
    return this.#options.cluster.length === 0 && !this.#sentinels
  }

  /** Resolves when the masters are connected, or the first attempts have failed. */
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

  /** Handles the MOVED of a node that no longer has the key. */
  async move(key: string, address: string): Promise<void> {
    this.#bySlot[this.#slotOf(key)] = address
    await this.#at(address).connect()
  }

  /** Also during a look-up of the masters. */
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

  /** Throws StoreUnavailable after `close`: the connection to a new node would stay open. */
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

  /** Looks the masters up; if nobody answers, the known ones stay. Never rejects. */
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

  /** A Sentinel may name a server that is a master no longer, so that server is asked too. */
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

  /** The masters in turn, since one may be cut off from the others; then the nodes of the settings. */
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
