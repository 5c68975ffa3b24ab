import { read } from 'read'
import { CommandError, exitCodes } from '../command-error.ts'
import { plain, plainJson, plainLines } from '../plain.ts'

export { table } from './table.ts'

/** The streams of a command, which may be a terminal. */
export interface Terminal {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean }
  /** For prompts and progress: standard output may go to a file. */
  stderr: NodeJS.WritableStream & { isTTY?: boolean }
}

/** Prints the result of a command, as JSON or as lines. A name in a line must be plain: it may contain a line break. */
export async function print(
  json: boolean | undefined,
  value: unknown,
  text: () => string | Promise<string>,
): Promise<void> {
  process.stdout.write(json ? `${plainJson(value, 2)}\n` : plainLines(await text()))
}

/** Items of a long list that are printed at a time. */
const pageSize = 1000

/**
 * The same of a list of any length, in bounded memory: a JSON list for a script, else lines, which `format` makes of some
 * items. Resolves to how many items there were; for a person nothing is printed of none.
 */
export async function printPages<T>(
  json: boolean | undefined,
  items: AsyncIterable<T> | Iterable<T>,
  format: (items: T[]) => string | Promise<string>,
): Promise<number> {
  let printed = 0
  for await (const page of pagesOf(items)) {
    const text = json ? jsonItems(page, printed === 0) : plainLines(await format(page))
    process.stdout.write(text)
    printed += page.length
  }
  if (json) process.stdout.write(printed === 0 ? '[]\n' : '\n]\n')
  return printed
}

async function* pagesOf<T>(items: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T[]> {
  let page: T[] = []
  for await (const item of items) {
    page.push(item)
    if (page.length < pageSize) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

/** Formats the items as they stand in the JSON of the whole list. */
function jsonItems(page: unknown[], isFirst: boolean): string {
  return (isFirst ? '[\n' : ',\n') + plainJson(page, 2).slice('[\n'.length, -'\n]'.length)
}

/** Local date and time of seconds since 1970. */
export function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toLocaleString('sv-SE').slice(0, 16)
}

/** As 12.1KB, of 1,024 bytes each: `--bytes 500MB` is shown as it was typed. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  const at = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${Number((bytes / 1024 ** at).toFixed(1))}${units[at]}`
}

/** A fraction as 56.3 %. */
export function formatPercentage(percentage: number): string {
  return `${(percentage * 100).toFixed(1)} %`
}

/** As `1 document`, `2 documents`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

/** Asks before an irreversible change. Throws CommandError unless the answer is yes. */
export async function confirm(question: string, yes: boolean | undefined, terminal: Terminal = process): Promise<void> {
  if (yes) return
  if (!terminal.stdin.isTTY) throw new CommandError(`${question} Not a terminal. Pass --yes.`, exitCodes.usage)
  const answer = await ask({ prompt: `${plain(question)} [y/N] ` }, terminal)
  if (!/^y(es)?$/i.test(answer)) throw new CommandError('Nothing was changed.')
}

/** Prompts for a line. Throws CommandError on Ctrl+C and Ctrl+D. */
export async function ask(
  options: { prompt: string; silent?: boolean },
  { stdin: input, stderr: output }: Terminal,
): Promise<string> {
  // At Ctrl+D the prompt closes, which pauses its input, and `read` never ends. After a line it has its answer by then.
  const closed = new Promise<never>((_resolve, reject) => {
    input.once('pause', () => setImmediate(reject))
  })
  try {
    return await Promise.race([read({ ...options, input, output }), closed]).catch(() => {
      throw new CommandError('Nothing was changed.')
    })
  } finally {
    if (options.silent) output.write('\n')
  }
}

/** Shows the progress of long work on a terminal. Call the result with the done and the total number of items. */
export function progressBar(
  noun: string,
  { stderr }: Pick<Terminal, 'stderr'> = process,
): (done: number, total: number) => void {
  if (!stderr.isTTY) return () => undefined
  let shown = 0
  return (done, total) => {
    const now = performance.now()
    if (done < total && now - shown < 100) return
    shown = now
    const bar = '#'.repeat(Math.round((done / total) * 30)).padEnd(30, '.')
    stderr.write(`\r[${bar}] ${done.toLocaleString('en')} of ${count(total, noun)}${done < total ? '' : '\n'}`)
  }
}
