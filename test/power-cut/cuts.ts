import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Random } from '../crash/random.ts'
import { extremes, stateAfter } from './disk-states.ts'
import { check, collectStates, pick, type State } from './explore.ts'
import { collectAsked } from './marks.ts'
import { Oracle } from './oracle.ts'
import type { Mutant } from '../own-build.ts'
import type { Tree } from './recorded-disk.ts'
import { buildWorkload, readTree, record, whyNoTrace, type Session } from './record.ts'

/** `npm run test:power-cut`: every state, more samples, and other ones each time. */
export const thorough = process.argv.includes('--thorough')

const why = whyNoTrace()

/** For tests that record: skipped where nothing can be traced. */
export const traced = why === undefined ? {} : { skip: why }

const memory = '/dev/shm'

/** In memory where there is a place for that: all these flushes need no disk. */
export async function newFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(isWritable(memory) ? memory : tmpdir(), 'kss-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function newRandom(t: Test, seed: number): Random {
  const used = thorough ? Date.now() % 2 ** 31 : seed
  if (thorough) t.comment(`seed ${used}`)
  return new Random(used)
}

export interface Recording {
  folder: string
  /** The path of the workload. */
  program: string
  oracle: Oracle
  random: Random
  states: State[]
}

export interface Plan {
  sessions: Session[]
  /** Random states of each cut. */
  samples: number
  mutant?: Mutant
  seed?: number
}

/** Records the sessions on a new state directory, and collects the states that cuts may leave. */
export async function recordCuts(t: Test, { sessions, samples, mutant, seed = 1 }: Plan): Promise<Recording> {
  const folder = await newFolder(t)
  const program = await buildWorkload(join(folder, 'build'), mutant)
  const disk = await record(folder, program, sessions)
  const real = readTree(join(folder, 'state'))
  t.same(listed(stateAfter(disk, Infinity, extremes['everything']!)), listed(real), 'the trace tells all')
  const random = newRandom(t, seed)
  const states = collectStates(disk, thorough ? samples * 5 : samples, random)
  return { folder, program, oracle: new Oracle(collectAsked(disk.marks)), random, states }
}

/** What is wrong after a start on these states, at most `most` of them. */
export async function checkCuts(t: Test, recording: Recording, most: number, enough?: number): Promise<string[]> {
  const { folder, oracle, random, states } = recording
  const picked = pick(states, thorough ? Infinity : most, random)
  const began = performance.now()
  const found = await check(folder, picked, oracle, enough === undefined ? {} : { enough })
  t.comment(`${picked.length} of ${states.length} states, ${Math.round(performance.now() - began)} ms`)
  return found
}

/** How often a mutant is looked for. */
const attempts = 8

/**
 * Fails unless a cut shows the mutant. In which order the workload's calls reach the disk depends on the machine, and
 * some orders hide a mutant: so it is recorded anew until one shows it. `sessions` are those of an attempt, from 0.
 */
export async function expectFound(
  t: Test,
  { samples, mutant, sessions }: { samples: number; mutant: Mutant; sessions: (attempt: number) => Session[] },
): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const plan = { sessions: sessions(attempt), samples, mutant, seed: attempt + 1 }
    const [found] = await checkCuts(t, await recordCuts(t, plan), 400, 1)
    if (found === undefined) continue
    t.pass(`found in attempt ${attempt + 1}: ${found.slice(0, 300)}`)
    return
  }
  t.fail(`no cut of ${attempts} recordings shows the mutant`)
}

function listed(tree: Tree): object {
  return Object.fromEntries([...tree].map(([path, data]) => [path, data?.toString('latin1')]))
}
