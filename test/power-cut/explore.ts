import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Random } from '../crash/random.ts'
import { extremes, randomFate, stateAfter, type Fate } from './disk-states.ts'
import { observe } from './observe.ts'
import type { Oracle } from './oracle.ts'
import type { RecordedDisk, Tree } from './recorded-disk.ts'

/** A state of the disk, and the cuts that may leave it, with what tells how. */
export interface State {
  tree: Tree
  cuts: Map<number, string>
}

const byChance = 'chance'

/** How many recoveries run at a time. */
const together = 4

/** The states that cuts at all moments of the recording may leave: the extremes, and `samples` more of each cut. */
export function collectStates(disk: RecordedDisk, samples: number, random: Random): State[] {
  const states = new Map<string, State>()
  const moments = [...disk.moments]
    .filter((moment) => moment >= 0 && moment < Infinity)
    .toSorted((one, other) => one - other)
  for (const cut of moments) {
    const chances = Array.from({ length: samples }, (): [string, Fate] => [byChance, randomFate(random, cut)])
    for (const [how, fate] of [...Object.entries(extremes), ...chances]) {
      const tree = stateAfter(disk, cut, fate)
      const id = identify(tree)
      const state = states.get(id) ?? { tree, cuts: new Map() }
      states.set(id, state)
      if (!state.cuts.has(cut)) state.cuts.set(cut, how)
    }
  }
  return [...states.values()]
}

/** Some of the states, in any order; at least half are extremes, if there are so many. */
export function pick(states: State[], most: number, random: Random): State[] {
  const shuffled = states
    .map((state) => ({ state, at: random.below(2 ** 30) }))
    .toSorted((one, other) => one.at - other.at)
  const isExtreme = ({ state }: { state: State }): boolean => [...state.cuts.values()].some((how) => how !== byChance)
  const first = shuffled.filter(isExtreme).slice(0, Math.ceil(most / 2))
  const others = shuffled.filter((each) => !first.includes(each)).slice(0, most - first.length)
  return [...first, ...others].toSorted((one, other) => one.at - other.at).map(({ state }) => state)
}

/** What is wrong after a start on each state, until `enough` is found; `at` gives the cut of the workload, if not its own. */
export async function check(
  folder: string,
  states: State[],
  oracle: Oracle,
  { enough = 20, at }: { enough?: number; at?: number } = {},
): Promise<string[]> {
  const found: string[] = []
  const documents = oracle.documents()
  const rest = states.entries()
  const work = async (): Promise<void> => {
    for (const [number, { tree, cuts }] of rest) {
      if (found.length >= enough) return
      const observation = await observe(join(folder, `cut-${number}`), tree, documents)
      for (const [cut, how] of cuts) {
        const wrong = oracle.violations(observation, at ?? cut)
        if (wrong.length > 0) found.push(`cut after line ${cut}, what is left: ${how}: ${wrong.join('; ')}`)
      }
    }
  }
  await Promise.all(Array.from({ length: together }, work))
  return found
}

function identify(tree: Tree): string {
  const hash = createHash('sha256')
  for (const [path, data] of [...tree].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    hash.update(`${path.length} ${path} ${data ? digestOf(data) : 'folder'}\n`)
  }
  return hash.digest('hex')
}

const digests = new WeakMap<Buffer, string>()

/** Computed once for the contents that many states have in common. */
function digestOf(data: Buffer): string {
  const digest = digests.get(data) ?? createHash('sha256').update(data).digest('hex')
  digests.set(data, digest)
  return digest
}
