import type * as Redis from '@redis/client'
import { EngineNode, type NodeOptions } from './engine-node.ts'
import { toAddress } from './topology.ts'
import { StoreUnavailable } from './unavailable.ts'

export interface SentinelOptions {
  /** host:port of each Sentinel. */
  addresses: string[]
  /** The Sentinels' name of the master. */
  name: string
  /** The user at the Sentinels, which have users of their own; empty for none. */
  password: string
}

/**
 * Processes that know which server is the master, and promote a replica when the master is unavailable.
 * @see https://redis.io/docs/latest/develop/reference/sentinel-clients/
 */
export class Sentinels {
  readonly #name: string
  /** The Sentinel that answered last is asked first. */
  #nodes: EngineNode[]

  constructor(redis: typeof Redis, { addresses, name, password }: SentinelOptions, options: NodeOptions) {
    this.#name = name
    this.#nodes = addresses.map((address) => {
      const url = new URL(`${options.url.protocol}//${address}`)
      url.password = password
      const place = `The Sentinel at ${address}`
      return new EngineNode(redis, { ...options, url, place, replicas: 0, tell: () => undefined })
    })
  }

  /** host:port of the master. Rejects with StoreUnavailable if no Sentinel knows it. */
  async findMaster(): Promise<string> {
    const failures: Error[] = []
    for (const node of this.#nodes) {
      try {
        const address = await this.#ask(node)
        this.#nodes = [node, ...this.#nodes.filter((each) => each !== node)]
        return address
      } catch (error) {
        failures.push(error as Error)
      }
    }
    throw failures[0]!
  }

  close(): void {
    for (const node of this.#nodes) node.close()
  }

  async #ask(node: EngineNode): Promise<string> {
    await node.connect()
    const master = (await node.ask(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#name])) as [string, string] | null
    if (master) return toAddress(...master)
    throw new StoreUnavailable(`The Sentinel at ${node.address} knows no master of the name ${this.#name}`)
  }
}
