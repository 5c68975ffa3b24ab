import type { Readable } from 'node:stream'
import { parseMarkup } from './markup.ts'

/** The visible text of one fragment of a book, as counts. */
export interface FragmentText {
  characters: number
  /** Characters before an element, by its path as in XPointer, and before a text node where that differs. */
  before: Record<string, number>
}

/** Characters before each of the elements with these ids. */
export type Anchors = Map<string, number | undefined>

/** Elements whose text nobody reads. */
const invisible = new Set(['head', 'script', 'style', 'template'])

/** An element that is open. */
interface Open {
  path: string
  isVisible: boolean
  /** How many children of each name it has so far. */
  counts: Map<string, number>
  texts: number
  before: number
}

/** Counts as crengine names: an index is the number among the siblings of the same name. */
class Counter {
  readonly text: FragmentText = { characters: 0, before: {} }
  readonly #anchors: Anchors
  readonly #mayKeep: () => boolean
  readonly #open: Open[] = [{ path: '', isVisible: true, counts: new Map(), texts: 0, before: 0 }]
  #isInText = false
  #isAfterSpace = true

  constructor(anchors: Anchors, mayKeep: () => boolean) {
    this.#anchors = anchors
    this.#mayKeep = mayKeep
  }

  open(name: string, attributes: Record<string, string>): void {
    this.#isInText = false
    const parent = this.#open.at(-1)!
    const count = (parent.counts.get(name) ?? 0) + 1
    parent.counts.set(name, count)
    // A fragment's paths begin at its body.
    const path = name === 'html' ? '' : join(parent.path, indexed(name, count))
    const before = this.text.characters
    this.#open.push({
      path,
      isVisible: parent.isVisible && !invisible.has(name),
      counts: new Map(),
      texts: 0,
      before,
    })
    this.#keep(path, before)
    for (const id of [attributes['id'], name === 'a' ? attributes['name'] : undefined]) {
      if (id !== undefined && this.#anchors.has(id)) this.#anchors.set(id, this.#anchors.get(id) ?? before)
    }
  }

  close(): void {
    this.#isInText = false
    this.#open.pop()
  }

  add(text: string): void {
    const element = this.#open.at(-1)!
    if (!element.isVisible) return
    if (!this.#isInText && /\S/.test(text)) {
      this.#isInText = true
      element.texts += 1
      const before = this.text.characters
      const differs = element.texts > 1 || before !== element.before
      if (differs) this.#keep(join(element.path, indexed('text()', element.texts)), before)
    }
    for (const character of text.replaceAll(/\s+/g, ' ')) {
      const isSpace = character === ' '
      if (!(isSpace && this.#isAfterSpace)) this.text.characters += 1
      this.#isAfterSpace = isSpace
    }
  }

  #keep(path: string, before: number): void {
    if (path !== '' && this.#mayKeep()) this.text.before[path] = before
  }
}

function join(path: string, step: string): string {
  return path === '' ? step : `${path}/${step}`
}

function indexed(name: string, count: number): string {
  return count === 1 ? name : `${name}[${count}]`
}

/** Counts a fragment. `mayKeep` says, each time that it is asked, whether one more element may be kept. */
export async function countFragment(source: Readable, anchors: Anchors, mayKeep: () => boolean): Promise<FragmentText> {
  const counter = new Counter(anchors, mayKeep)
  await parseMarkup(source, {
    onOpen: (name, attributes) => counter.open(name, attributes),
    onText: (text) => counter.add(text),
    onClose: () => counter.close(),
  })
  return counter.text
}
