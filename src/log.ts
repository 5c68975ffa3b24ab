import { pino, type Logger } from 'pino'
import type { Config } from './config.ts'

/** Bytes that may wait for a reader of the log who is slow or gone; what comes after is dropped. */
const maxWaiting = 16 * 2 ** 20

/** Characters that are collected for one write, and the milliseconds after which they go out in any case. */
const chunk = 64 * 1024
const chunkMs = 100

/** Pretty on a terminal, else JSON lines. `flush` writes what is still collected, and waits for it. */
export async function createLogger(config: Config): Promise<{ logger: Logger; flush: () => void }> {
  const { KSS_LOG_LEVEL: level, KSS_LOG_FORMAT: format } = config
  if (format === 'json' || (format === 'auto' && !process.stdout.isTTY)) {
    const lines = collectLines()
    return { logger: pino({ level, base: null }, lines), flush: lines.flush }
  }
  const { default: pinoPretty } = await import('pino-pretty')
  const stream = pinoPretty({
    colorize: process.stdout.isTTY,
    ignore: 'id,method,path,status,ms,user,ip',
    messageFormat: '{msg}{if method} {method} {path} {status} {ms} ms {user} {ip}{end}',
    sync: true,
  })
  return { logger: pino({ level, base: null }, stream), flush: () => undefined }
}

/**
 * Standard output for a busy server. pino's own buffer measures all that waits again with each line: most of what a
 * request cost. The write itself is pino's, in the background, so that a slow reader of the log holds up nobody.
 */
function collectLines(): { write: (line: string) => void; flush: () => void } {
  const stdout = pino.destination({ fd: 1, sync: false, maxWrite: 4 * chunk, maxLength: maxWaiting })
  let lines = ''
  let timer: NodeJS.Timeout | undefined
  const pass = (): void => {
    clearTimeout(timer)
    timer = undefined
    stdout.write(lines)
    lines = ''
  }
  return {
    write: (line) => {
      lines += line
      if (lines.length > chunk) pass()
      else timer ??= setTimeout(pass, chunkMs)
    },
    flush: () => {
      if (lines !== '') pass()
      stdout.flushSync()
    },
  }
}
