import { connect } from 'node:net'
import { parseAnswers, problemsOf, summaryOf } from './answers.ts'
import { credentials, request, type Row } from './row.ts'

export interface Outcome {
  /** As Row.expect. */
  answers: string
  /** What is wrong whatever was expected; empty when nothing is. */
  problems: string[]
}

/** The record that a sane request asks for: it is sent behind a row's bytes. */
export const canary = { document: 'canary', percentage: 0.25, progress: 'sings', device: 'cage' }

const canaryRequest = request(`GET /syncs/progress/${canary.document}`, [...credentials, 'Connection: close'])

/** Milliseconds; the server gives a request 10,000. */
const patience = 13_000

/**
 * Sends a row's bytes over a connection of its own and, when they are answered, the sane request. If the two lost step,
 * it is answered with something else; if the server closes, not at all.
 */
export async function attack(port: number, row: Row): Promise<Outcome> {
  const least = Math.min(...row.expect.map((answers) => (answers === 'nothing' ? 0 : answers.split(', ').length)))
  const bodiless = row.bodiless ? least : 0
  const socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1')
  let received = ''
  let asked = false
  const askWhenAnswered = (): void => {
    if (asked || parseAnswers(received, bodiless).answers.length < least) return
    asked = true
    socket.write(canaryRequest)
  }
  socket.on('data', (text) => {
    received += String(text)
    askWhenAnswered()
  })
  // The server may close before it has read all; what it said until then counts.
  socket.on('error', () => undefined)
  let late = false
  const timer = setTimeout(() => {
    late = true
    socket.destroy()
  }, patience)
  socket.write(row.bytes, 'latin1')
  askWhenAnswered()
  // Not once() of node:events, which rejects at an error.
  await new Promise((resolve) => socket.once('close', resolve))
  clearTimeout(timer)
  const outcome = judge(received, bodiless)
  return late ? { ...outcome, problems: [...outcome.problems, 'neither answered nor closed'] } : outcome
}

function judge(received: string, bodiless: number): Outcome {
  const { answers, rest } = parseAnswers(received, bodiless)
  const problems = answers.flatMap((answer, at) => problemsOf(answer, at < bodiless))
  if (rest !== '') problems.push(`not an answer: ${JSON.stringify(rest)}`)
  const last = answers.at(-1)
  if (last?.status === 200 && last.body.includes(canary.progress)) answers.pop()
  return { answers: answers.map(summaryOf).join(', ') || 'nothing', problems }
}
