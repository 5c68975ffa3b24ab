import fs, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import type { Test } from 'tap'

export type Call =
  | 'open'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'link'
  | 'mkdir'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'lstat'
  | 'readdir'
  | 'readFile'
  | 'read'

/** A test, or what else ends what it has begun. */
export type Teardown = Pick<Test, 'teardown'>

/** The real disk, but for the calls that are told to fail. */
export interface FaultyDisk {
  /** From now on this call fails with this code on each path that matches. */
  fail: (call: Call, path: RegExp, code: string) => void
  /** From now on this call waits, on each path that matches, until the returned function is called. */
  hold: (call: Call, path: RegExp) => () => void
  /** From now on everything works again. */
  mend: () => void
  /** How often the call was made on such a path. */
  count: (call: Call, path: RegExp) => number
  /** How many calls are being made; those that wait for `hold` are not. */
  underWay: () => number
}

const handleCalls = {
  appendFile: 'write',
  writeFile: 'write',
  write: 'write',
  sync: 'sync',
  datasync: 'sync',
  truncate: 'truncate',
  read: 'read',
  readFile: 'readFile',
} as const

/** Until the end of the test `node:fs/promises` is a disk that may fail. */
export function faultyDisk(t: Teardown): FaultyDisk {
  let faults: { call: Call; path: RegExp; code: string }[] = []
  const calls: { call: Call; path: string }[] = []
  let held: { call: Call; path: RegExp; released: Promise<void> }[] = []
  const check = async (call: Call, path: string): Promise<void> => {
    calls.push({ call, path })
    await held.find((each) => each.call === call && each.path.test(path))?.released
    const fault = faults.find((each) => each.call === call && each.path.test(path))
    if (fault) throw Object.assign(new Error(`${fault.code}: ${call}`), { code: fault.code, errno: -1 })
  }

  let underWay = 0
  const make = async <T>(call: Call, path: string, work: () => Promise<T>): Promise<T> => {
    await check(call, path)
    underWay += 1
    return await work().finally(() => (underWay -= 1))
  }

  const { open } = fs
  replace(t, 'open', async (...args: Parameters<typeof open>) => {
    const path = String(args[0])
    return watch(await make('open', path, () => open(...args)), path)
  })
  for (const call of [
    'rename',
    'link',
    'mkdir',
    'rm',
    'rmdir',
    'stat',
    'lstat',
    'readdir',
    'opendir',
    'readFile',
  ] as const) {
    const real = fs[call] as (...args: unknown[]) => Promise<unknown>
    replace(t, call, (...args: unknown[]) =>
      make(call === 'opendir' ? 'readdir' : call, String(args[0]), () => real(...args)),
    )
  }

  function watch(file: FileHandle, path: string): FileHandle {
    for (const [name, call] of Object.entries(handleCalls)) {
      const real = file[name as keyof typeof handleCalls] as (...args: unknown[]) => Promise<unknown>
      const checked = (...args: unknown[]): Promise<unknown> => make(call, path, () => real.apply(file, args))
      Object.assign(file, { [name]: checked })
    }
    return file
  }

  return {
    fail: (call, path, code) => faults.push({ call, path, code }),
    hold: (call, path) => {
      let release!: () => void
      const one = { call, path, released: new Promise<void>((resolve) => (release = resolve)) }
      held.push(one)
      return () => {
        held = held.filter((each) => each !== one)
        release()
      }
    },
    mend: () => (faults = []),
    count: (call, path) => calls.filter((each) => each.call === call && path.test(each.path)).length,
    underWay: () => underWay,
  }
}

/** Puts a function of `node:fs/promises` in the place of Node's, also where it is imported by its name. */
export function replace(t: Teardown, name: keyof typeof fs, by: unknown): void {
  const real = fs[name]
  Object.assign(fs, { [name]: by })
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(fs, { [name]: real })
    syncBuiltinESMExports()
  })
}
