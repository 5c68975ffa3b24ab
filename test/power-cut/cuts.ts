import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { extremes, stateAfter } from './disk-states.ts'
import { check, collectStates, pick, type State } from './explore.ts'
import { collectAsked } from './marks.ts'
import { Oracle } from './oracle.ts'
import type { Mutant } from '../own-build.ts'
import { createRandom, type Random } from './random.ts'
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

export function newRandom(t: Test): Random {
  const seed = thorough ? Date.now() % 2 ** 31 : 1
  if (thorough) t.comment(`seed ${seed}`)
  return createRandom(seed)
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
}

/** Records the sessions on a new state directory, and collects the states that cuts may leave. */
export async function recordCuts(t: Test, { sessions, samples, mutant }: Plan): Promise<Recording> {
  const folder = await newFolder(t)
  const program = await buildWorkload(join(folder, 'build'), mutant)
  const disk = await record(folder, program, sessions)
  const real = await readTree(join(folder, 'state'))
  t.same(listed(stateAfter(disk, Infinity, extremes['everything']!)), listed(real), 'the trace tells all')
  const random = newRandom(t)
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

function listed(tree: Tree): object {
  return Object.fromEntries([...tree].map(([path, data]) => [path, data?.toString('latin1')]))
}
