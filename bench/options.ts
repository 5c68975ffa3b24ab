import { parseArgs } from 'node:util'

export const operations = ['get', 'auth', 'put'] as const

export type Operation = (typeof operations)[number]

export interface Options {
  /** Of one round. */
  seconds: number
  /** Requests of one round, instead of seconds. */
  count?: number
  /** Of each server, for each operation and number of connections. */
  rounds: number
  only: Operation[]
  connections: number[]
  json: boolean
  users: number
  documents: number
  coldStarts: number
  /** Before a cell's first round, uncounted: the compiler's time. */
  warmUpSeconds: number
}

export const help = `npm run bench -- [options]

  --seconds <n>         length of a round (default 1)
  --requests <n>        end a round after so many requests instead: for CPU time on a busy machine
  --rounds <n>          rounds of each server for each line of the table (default 9)
  --only <list>         of get,auth,put (default all)
  --connections <list>  (default 1,16,64)
  --json                print JSON
  --cold-starts <n>     starts that are timed (default 7)
  --smoke               a few seconds, to see that it works; the numbers mean nothing
`

const full = { seconds: 1, rounds: 9, users: 10, documents: 1000, coldStarts: 7, warmUpSeconds: 0.5 }
const smoke = { seconds: 0.1, rounds: 1, users: 2, documents: 20, coldStarts: 1, warmUpSeconds: 0.1 }

/** Undefined when help is asked for; throws with one line for a person. */
export function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string' },
      requests: { type: 'string' },
      'cold-starts': { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string', default: operations.join() },
      connections: { type: 'string', default: '1,16,64' },
      json: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const standard = values.smoke ? smoke : full
  return {
    ...standard,
    seconds: positive('--seconds', values.seconds ?? `${standard.seconds}`, 60),
    ...(values.requests !== undefined && { count: whole('--requests', values.requests, 10_000_000) }),
    coldStarts: whole('--cold-starts', values['cold-starts'] ?? `${standard.coldStarts}`, 1000),
    rounds: whole('--rounds', values.rounds ?? `${standard.rounds}`, 1000),
    only: values.only.split(',').map(operation),
    connections: values.connections.split(',').map((text) => whole('--connections', text, 1000)),
    json: values.json,
  }
}

function positive(name: string, text: string, most: number): number {
  const value = Number(text)
  if (!(value > 0 && value <= most)) throw new Error(`${name} is "${text}": expected a number up to ${most}.`)
  return value
}

function whole(name: string, text: string, most: number): number {
  const value = positive(name, text, most)
  if (!Number.isInteger(value)) throw new Error(`${name} is "${text}": expected a whole number.`)
  return value
}

function operation(name: string): Operation {
  const known = operations.find((each) => each === name)
  if (!known) throw new Error(`--only is "${name}": expected ${operations.join(', ')}.`)
  return known
}
