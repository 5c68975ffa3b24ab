import { pino, type Logger } from 'pino'
import type { Config } from './config.ts'
import { escapeJson, plain, plainLines } from './plain.ts'

/** Bytes that may wait for a reader of the log who is slow or gone; what comes after is dropped. */
const maxWaiting = 16 * 2 ** 20

/** Characters that are collected for one write, and the milliseconds after which they go out in any case. */
const chunk = 64 * 1024
const chunkMs = 100

/** What is logged of a request: never a key, an Authorization header, a query string or a body. */
export interface RequestLine {
  id: string
  method: string
  path: string
  status: number
  /** Milliseconds. */
  ms: number
  /** Who was authorized; empty for nobody. */
  user: string
  ip: string
}

export type LogRequest = (line: RequestLine, isHealthcheck: boolean) => void

export interface Log {
  logger: Logger
  logRequest: LogRequest
  /** Writes what is still collected, and waits for it. */
  flush: () => void
}

/** Milliseconds: KOReader waits twice as long for an answer. */
const slowMs = 1000

const messages = { debug: 'request', info: 'request', warn: 'slow request' }

/** Slow ones are for whoever looks for troubles; health checks that went well come every few seconds, and tell nothing. */
function levelOf({ ms, status }: RequestLine, isHealthcheck: boolean): keyof typeof messages {
  if (ms > slowMs) return 'warn'
  return isHealthcheck && status === 200 ? 'debug' : 'info'
}

/** Pretty on a terminal, else JSON lines. */
export async function createLogger(config: Config): Promise<Log> {
  const { KSS_LOG_LEVEL: level, KSS_LOG_FORMAT: format } = config
  if (format === 'json' || (format === 'auto' && !process.stdout.isTTY)) {
    const lines = collectLines()
    const logger = pino({ level, base: null }, lines)
    const logRequest: LogRequest = (line, isHealthcheck) => {
      const own = levelOf(line, isHealthcheck)
      if (logger.isLevelEnabled(own)) lines.write(formatRequest(line, own))
    }
    return { logger, logRequest, flush: lines.flush }
  }
  const { default: pinoPretty } = await import('pino-pretty')
  const stream = pinoPretty({
    // As NO_COLOR, FORCE_COLOR and TERM say.
    colorize: process.stdout.isTTY && process.stdout.hasColors(),
    ignore: 'id,method,path,status,ms,user,ip',
    messageFormat: '{msg}{if method} {method} {path} {status} {ms} ms {user} {ip}{end}',
    sync: true,
  })
  const logger = pino({ level, base: null }, { write: (line) => stream.write(withPlainTexts(line)) })
  const logRequest: LogRequest = (line, isHealthcheck) => {
    const own = levelOf(line, isHealthcheck)
    logger[own](line, messages[own])
  }
  return { logger, logRequest, flush: () => undefined }
}

/** pino-pretty prints each text as it is. The lines of a stack stay. */
function withPlainTexts(line: string): string {
  return `${JSON.stringify(JSON.parse(line, toPlain))}\n`
}

function toPlain(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  return name === 'stack' ? plainLines(value) : plain(value)
}

/** As pino formats it, in half the time: one line a request is much of what a request costs. */
function formatRequest(line: RequestLine, level: keyof typeof messages): string {
  const { id, method, path, status, ms, user, ip } = line
  const who = user === '' ? '' : `,"user":${JSON.stringify(user)}`
  const what = `"id":"${id}","method":"${method}","path":${JSON.stringify(path)},"status":${status},"ms":${ms}`
  const start = `{"level":${pino.levels.values[level]},"time":${Date.now()}`
  return `${start},${what}${who},"ip":${JSON.stringify(ip)},"msg":"${messages[level]}"}\n`
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
      lines += escapeJson(line)
      if (lines.length > chunk) pass()
      else timer ??= setTimeout(pass, chunkMs)
    },
    flush: () => {
      if (lines !== '') pass()
      stdout.flushSync()
    },
  }
}
