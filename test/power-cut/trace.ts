/** A system call, between the numbers of the lines at which strace saw it begin and end. */
export interface Call {
  name: string
  args: string
  begin: number
  /** Infinity when the process ended first. */
  end: number
  /** Negative when it failed. */
  result: number
}

const whole = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)/
const unfinished = /^(\d+) +(\w+)\((.*?) ?<(?:unfinished|detached) \.\.\.>$/
const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)/

/** The calls in a log of `strace -f -xx`, in the order in which they took effect. */
export function parseTrace(log: string, firstLine: number): Call[] {
  const calls: Call[] = []
  const open = new Map<string, Call>()
  for (const [at, line] of log.split('\n').entries()) {
    const number = firstLine + at
    const [, thread = '', name = '', args = '', result = '?'] = whole.exec(line) ?? []
    if (name) calls.push({ name, args, begin: number, end: number, result: resultOf(result) })
    const begun = unfinished.exec(line)
    if (begun) {
      const call = { name: begun[2]!, args: begun[3]!, begin: number, end: Infinity, result: resultOf('?') }
      open.set(begun[1]!, call)
      calls.push(call)
    }
    const ended = resumed.exec(line)
    const call = ended && open.get(ended[1]!)
    if (call) Object.assign(call, { args: call.args + ended[3], end: number, result: resultOf(ended[4]!) })
    if (!thread && !begun && !ended && line.includes('(')) throw new Error(`cannot read the trace: ${line}`)
  }
  for (const call of calls) if (call.name.startsWith('mkdir') && call.result === 0) call.end = seen(call, calls)
  return calls.toSorted((one, other) => effect(one) - effect(other))
}

/** Another thread may find the folder, or use it, before strace is told that it was made. */
function seen({ args, begin, end }: Call, calls: Call[]): number {
  const path = args.slice(args.indexOf('"'), args.lastIndexOf('"'))
  const during = calls.filter((other) => other.end > begin && other.end < end)
  const finders = during.filter((other) =>
    other.result < 0 ? other.args === args : other.args.includes(`${path}\\x2f`),
  )
  return Math.min(end, ...finders.map((other) => other.end - 0.5))
}

/** A descriptor may be given to another file before the call that closed it returns. */
function effect({ name, begin, end }: Call): number {
  return name === 'close' ? begin : end
}

function resultOf(text: string): number {
  return text === '?' ? -1 : Number(text)
}

/** The strings among the arguments. */
export function stringsOf({ args, name }: Call): Buffer[] {
  return Array.from(args.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g), ([, hex = '', cut]) => {
    if (cut) throw new Error(`strace cut an argument of ${name} short`)
    return Buffer.from(hex.replaceAll(String.raw`\x`, ''), 'hex')
  })
}

export function numbersOf({ args }: Call): number[] {
  return args.split(', ').flatMap((arg) => (/^-?\d+$/.test(arg) ? [Number(arg)] : []))
}
