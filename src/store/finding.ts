import { plainJson } from '../plain.ts'

/** Something in the state directory that is not as kss leaves it. */
export interface Finding {
  /** Relative to the state directory, '/'-separated; '.' is the directory itself. */
  path: string
  /** What is wrong, for a person: "is not JSON". */
  problem: string
  /** What a repair does, or did; undefined when only a person can mend it, or nothing is to be done: then `advice`. */
  repair?: string
  /** What is left for a person to do. */
  advice?: string
  /** False for what is only untidy, or worth knowing. */
  damage: boolean
}

/** A finding of this process, which may know how to mend it. */
export interface Mendable extends Finding {
  /** Looks again before it changes anything: what was mended before may have changed it. */
  mend?: () => Promise<void>
  /** It keeps pushes from being written: mended before all that was pushed can be waited for. */
  obstacle?: boolean
}

export function toFinding({ mend: _mend, obstacle: _obstacle, ...finding }: Mendable): Finding {
  return finding
}

/** Those that were there both times: a scan beside a running server also sees what is being written. */
export function foundAgain(first: Finding[], second: Finding[]): Finding[] {
  const known = new Set(first.map(keyOf))
  return second.filter((finding) => known.has(keyOf(finding)))
}

/** The same for the same thing in two scans. */
export function keyOf({ path, problem }: Finding): string {
  return `${path}\n${problem}`
}

/** A name that comes from the network, for a message. */
export function quote(name: string): string {
  return plainJson(name)
}
