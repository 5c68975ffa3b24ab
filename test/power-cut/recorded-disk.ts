import { dirname, basename } from 'node:path'
import type { Mark } from './marks.ts'
import { numbersOf, stringsOf, type Call } from './trace.ts'

/** What is in a folder, by the path from it; null for a folder. */
export type Tree = Map<string, Buffer | null>

/** When it was begun and when it had ended, in lines of the trace. */
interface Span {
  begin: number
  end: number
}

export interface FileChange extends Span {
  /** The length of the file from now on, when it is cut. */
  length?: number
  at: number
  data: Buffer
}

export interface FolderChange extends Span {
  entries: [name: string, node: Node | undefined][]
}

/** A file or a folder, whatever its name, and all that happened to it, in this order. */
interface Changed<T> {
  changes: T[]
  flushes: Span[]
}

export type FileNode = Changed<FileChange> & { isFolder: false; size: number; hasGrown: boolean }
export type FolderNode = Changed<FolderChange> & { isFolder: true; entries: Map<string, Node> }
export type Node = FileNode | FolderNode

const start: Span = { begin: -1, end: -1 }
const newFile = (): FileNode => ({ isFolder: false, changes: [], flushes: [], size: 0, hasGrown: false })
const newFolder = (): FolderNode => ({ isFolder: true, changes: [], flushes: [], entries: new Map() })

/** All that a trace says of the files in one folder, and of the lines that were written to the marks file. */
export class RecordedDisk {
  readonly root = newFolder()
  readonly marks: { at: number; mark: Mark }[] = []
  /** The lines of the trace at which something begins or ends. */
  readonly moments = new Set<number>()
  readonly #dir: string
  readonly #marksPath: string
  readonly #open = new Map<number, { node: Node | 'marks'; position: number }>()

  /** What is there at the start is durable. */
  constructor(dir: string, marksPath: string, before: Tree = new Map()) {
    this.#dir = dir
    this.#marksPath = marksPath
    const nodes: Node[] = [this.root]
    for (const [path, data] of before) {
      const node = data ? newFile() : newFolder()
      this.#enter(start, [[`${dir}/${path}`, node]])
      if (!node.isFolder && data) this.#write(node, { ...start, at: 0, data })
      nodes.push(node)
    }
    for (const node of nodes) node.flushes.push({ begin: 0, end: 0 })
  }

  /** Takes over the calls of a process, in their order. */
  play(calls: Call[]): void {
    for (const call of calls) if (call.result >= 0) this.#play(call)
    this.#open.clear()
  }

  #play(call: Call): void {
    const { name } = call
    const paths = /^(open|rename|mkdir|unlink|rmdir|link|symlink|truncate|mknod)/.test(name) ? this.#pathsOf(call) : []
    if (name === 'close') this.#open.delete(numbersOf(call)[0]!)
    else if (name.startsWith('open')) this.#playOpen(call, paths[0])
    else if (paths.some((path) => this.#isInside(path))) this.#playPaths(call, paths)
    else if (paths.length === 0) this.#playDescriptor(call)
  }

  #playOpen(call: Call, path = ''): void {
    const { args, result } = call
    this.#open.delete(result)
    if (path === this.#marksPath) this.#open.set(result, { node: 'marks', position: 0 })
    if (!this.#isInside(path)) return
    let node = this.#find(path)
    if (!node) this.#enter(call, [[path, (node = newFile())]])
    else if (args.includes('O_TRUNC')) this.#write(node as FileNode, { ...spanOf(call), at: 0, data: empty, length: 0 })
    this.#open.set(result, { node, position: args.includes('O_APPEND') ? Infinity : 0 })
  }

  #playPaths(call: Call, paths: string[]): void {
    const [from = '', to = ''] = paths
    if (call.name.startsWith('mkdir')) this.#enter(call, [[from, newFolder()]])
    else if (/^(unlink|rmdir)/.test(call.name)) this.#enter(call, [[from, undefined]])
    else if (call.name.startsWith('link')) this.#enter(call, [[to, this.#find(from)]])
    else if (call.name.startsWith('rename') && dirname(from) === dirname(to)) {
      this.#enter(call, [
        [from, undefined],
        [to, this.#find(from)],
      ])
    } else throw new Error(`${call.name} is not in the model`)
  }

  #playDescriptor(call: Call): void {
    const [descriptor = -1, ...numbers] = numbersOf(call)
    const open = this.#open.get(descriptor)
    if (!open) return
    const { node } = open
    const { name, result } = call
    this.moments.add(call.begin).add(call.end)
    if (/^p?write/.test(name)) {
      const data = Buffer.concat(stringsOf(call)).subarray(0, result)
      if (node === 'marks') this.marks.push({ at: call.begin, mark: JSON.parse(data.toString()) as Mark })
      else if (node.isFolder || name.startsWith('pwritev')) throw new Error(`${name} is not in the model`)
      else if (name === 'pwrite64') this.#write(node, { ...spanOf(call), at: numbers.at(-1)!, data })
      else {
        this.#write(node, { ...spanOf(call), at: Math.min(open.position, node.size), data })
        open.position += result
      }
    } else if (node === 'marks') throw new Error(`${name} of the marks`)
    else if (name === 'fsync') this.#flush(node, spanOf(call))
    else if (name === 'fdatasync') {
      // It may leave out what the file system notes elsewhere: then a new length, and all that is behind, is not certain.
      if (node.isFolder || !node.hasGrown) this.#flush(node, spanOf(call))
    } else if (name === 'ftruncate' && !node.isFolder) {
      this.#write(node, { ...spanOf(call), at: 0, data: empty, length: numbers[0]! })
    } else throw new Error(`${name} is not in the model`)
  }

  #flush(node: Node, span: Span): void {
    node.flushes.push(span)
    if (!node.isFolder) node.hasGrown = false
  }

  #write(node: FileNode, change: FileChange): void {
    this.moments.add(change.begin).add(change.end)
    if (change.length !== undefined || change.at + change.data.length > node.size) node.hasGrown = true
    node.changes.push(change)
    node.size = change.length ?? Math.max(node.size, change.at + change.data.length)
  }

  #enter(span: Span, entries: [path: string, node: Node | undefined][]): void {
    this.moments.add(span.begin).add(span.end)
    const folder = this.#find(dirname(entries[0]![0])) as FolderNode
    const named = entries.map(([path, node]): [string, Node | undefined] => [basename(path), node])
    folder.changes.push({ ...spanOf(span), entries: named })
    enterAll(folder.entries, named)
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.root
    for (const name of path.slice(this.#dir.length).split('/').filter(Boolean)) {
      node = node?.isFolder ? node.entries.get(name) : undefined
    }
    return node
  }

  #isInside(path: string): boolean {
    return path === this.#dir || path.startsWith(`${this.#dir}/`)
  }

  #pathsOf(call: Call): string[] {
    const paths = stringsOf(call).map(String)
    // A path relative to an open folder would have to be looked up there.
    if (paths.some((path) => !path.startsWith('/'))) throw new Error(`${call.name} of a relative path: ${paths.join()}`)
    return paths
  }
}

const empty = Buffer.alloc(0)

export function enterAll(entries: Map<string, Node>, changed: FolderChange['entries']): void {
  for (const [name, node] of changed) {
    if (node) entries.set(name, node)
    else entries.delete(name)
  }
}

function spanOf({ begin, end }: Span): Span {
  return { begin, end }
}
