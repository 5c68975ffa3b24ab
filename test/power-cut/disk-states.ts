// What a power cut can leave.
//
// A cut comes at a moment between two lines of the trace. A flush (fsync, fdatasync) that had returned by then makes
// certain what had been done to that file or folder when it was begun, and nothing else:
// - A file has what was written to it before its last flush. Of each later write nothing may be there, or all, or a
//   part: torn at any byte, or some blocks of 512 bytes without the others, or the new length with zeros in it.
// - A folder has the entries that were made, renamed and removed in it before its last flush. Of the later changes the
//   first few are there, in their order; a rename is there whole or not at all. Two folders need not agree on when.
// - An fdatasync is a flush only as long as the file did not become longer since the last fsync.
// - A flush of a file does not keep its name, a flush of a folder not what is in its files: a renamed file that was
//   not flushed may be empty, and a flushed file in a folder that was not may be gone.
// A call that was under way may have done its work or not. A folder that no certain entry leads to is gone with all
// that is in it. Of the disk it is taken for granted that it honours flushes, and keeps what it has flushed.
import type { Random } from '../crash/random.ts'
import type { FileChange, FileNode, FolderNode, Node, RecordedDisk, Tree } from './recorded-disk.ts'
import { enterAll } from './recorded-disk.ts'

/** Decides what is there of what may be there. */
export interface Fate {
  /** How many changes of the folder's, at least `certain` and at most `done`. */
  keptEntries: (folder: FolderNode, certain: number, done: number) => number
  /** The file's content, when these changes came after what is certain. */
  keptData: (certain: Buffer, later: FileChange[]) => Buffer
}

const noEntries: Fate['keptEntries'] = (_folder, certain) => certain
const allEntries: Fate['keptEntries'] = (_folder, _certain, done) => done
const noData: Fate['keptData'] = (certain) => certain
const allData: Fate['keptData'] = (certain, later) => later.reduce(applyChange, certain)

/** The new length came to the disk, and no block. */
const zeros: Fate['keptData'] = (certain, later) => {
  const blank = later.map((change) => ({ ...change, data: Buffer.alloc(change.data.length) }))
  return blank.reduce(applyChange, certain)
}

export const extremes: Record<string, Fate> = {
  'nothing that was not flushed': { keptEntries: noEntries, keptData: noData },
  everything: { keptEntries: allEntries, keptData: allData },
  'names without data': { keptEntries: allEntries, keptData: noData },
  'names and lengths without data': { keptEntries: allEntries, keptData: zeros },
  'data without names': { keptEntries: noEntries, keptData: allData },
}

/** Each folder and file has a fate of its own; or all folders stopped at one moment, as on a disk with one journal. */
export function randomFate(random: Random, cut: number): Fate {
  const together = random.below(2) === 0 ? random.below(30) : undefined
  return {
    keptEntries: ({ changes }, certain, done) => {
      if (together === undefined) return certain + random.below(done - certain + 1)
      return Math.min(done, Math.max(certain, changes.filter(({ end }) => end < cut - together).length))
    },
    keptData: (certain, later) => {
      const kept = later.slice(0, random.below(later.length + 1))
      const last = kept.pop()
      const before = kept.reduce(applyChange, certain)
      return last ? tear(random, before, last) : before
    },
  }
}

/** The content of the folder when the power was cut after this line of the trace. */
export function stateAfter(disk: RecordedDisk, cut: number, fate: Fate): Tree {
  const tree: Tree = new Map()
  const visit = (folder: FolderNode, path: string): void => {
    for (const [name, node] of entriesAfter(folder, cut, fate)) {
      tree.set(path + name, node.isFolder ? null : contentAfter(node, cut, fate))
      if (node.isFolder) visit(node, `${path}${name}/`)
    }
  }
  visit(disk.root, '')
  return tree
}

function entriesAfter(folder: FolderNode, cut: number, fate: Fate): Map<string, Node> {
  const { certain, done } = changesAfter(folder, cut)
  const entries = new Map<string, Node>()
  for (const change of done.slice(0, fate.keptEntries(folder, certain, done.length))) enterAll(entries, change.entries)
  return entries
}

function contentAfter(file: FileNode, cut: number, fate: Fate): Buffer {
  const { certain, done } = changesAfter(file, cut)
  const flushed = done.slice(0, certain).reduce(applyChange, empty)
  return fate.keptData(flushed, done.slice(certain))
}

/** The changes that may be there, and how many of them, from the first, must be. */
function changesAfter<T extends { begin: number; end: number }>(
  { changes, flushes }: { changes: T[]; flushes: { begin: number; end: number }[] },
  cut: number,
): { certain: number; done: T[] } {
  const flushed = Math.max(-Infinity, ...flushes.filter(({ end }) => end <= cut).map(({ begin }) => begin))
  const done = changes.filter(({ begin }) => begin <= cut)
  return { certain: done.filter(({ end }) => end < flushed).length, done }
}

const empty = Buffer.alloc(0)

/** What a change makes of a content; most cuts have the same changes in common. */
const applied = new WeakMap<Buffer, WeakMap<FileChange, Buffer>>()

/** The result may be that of another call: it must not be changed. */
function applyChange(content: Buffer, change: FileChange): Buffer {
  const known = applied.get(content) ?? new WeakMap<FileChange, Buffer>()
  applied.set(content, known)
  const changed = known.get(change) ?? changeContent(content, change)
  known.set(change, changed)
  return changed
}

function changeContent(content: Buffer, { at, data, length }: FileChange): Buffer {
  if (length !== undefined) return Buffer.concat([content, Buffer.alloc(length)]).subarray(0, length)
  const size = Math.max(content.length, at + data.length)
  const changed = Buffer.concat([content, Buffer.alloc(size - content.length)])
  data.copy(changed, at)
  return changed
}

function tear(random: Random, content: Buffer, change: FileChange): Buffer {
  const { at, data } = change
  const whole = applyChange(content, change)
  if (change.length !== undefined) return whole
  const kind = random.below(4)
  if (kind === 0) return whole
  if (kind === 1) return applyChange(content, { ...change, data: data.subarray(0, random.below(data.length + 1)) })
  const torn = Buffer.from(whole)
  for (let block = Math.floor(at / 512); block * 512 < at + data.length; block++) {
    const [from, to] = [Math.max(at, block * 512), Math.min(at + data.length, block * 512 + 512)]
    if (random.below(2) === 0) torn.fill(0, from, to)
  }
  return torn
}
