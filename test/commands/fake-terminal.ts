import { PassThrough } from 'node:stream'
import type { Terminal } from '../../src/commands/terminal.ts'

export interface FakeTerminal extends Terminal {
  /** All that was written so far. */
  readonly shown: string
}

/** A terminal with somebody who types each answer when its question is shown. */
export function fakeTerminal(dialogue: [question: string, answer: string][]): FakeTerminal {
  const stdin = Object.assign(new PassThrough(), { isTTY: true })
  const stderr = Object.assign(new PassThrough(), { isTTY: true })
  const left = [...dialogue]
  let shown = ''
  let unanswered = ''
  stderr.on('data', (chunk) => {
    shown += String(chunk)
    unanswered += String(chunk)
    const [question, answer] = left[0] ?? ['', '']
    if (left.length === 0 || !unanswered.includes(question)) return
    left.shift()
    unanswered = ''
    setImmediate(() => stdin.write(answer))
  })
  return {
    stdin,
    stderr,
    get shown() {
      return shown
    },
  }
}
