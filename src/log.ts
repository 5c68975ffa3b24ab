import { pino, type Logger } from 'pino'
import type { Config } from './config.ts'
import { LogLines } from './log-lines.ts'
import { escapeJson, plain, plainLines, plainQuote } from './plain.ts'

/** What is logged of a request: never a key, an Authorization header, a query string or a body. */
export interface RequestLine {
  id: string
  method: string
  path: string
  status: number
  /** Milliseconds. */
  ms: number
  /** Who was authorized, or whose name was tried; empty for nobody. */
  user: string
  ip: string
  /** Why it was refused. */
  reason?: string
  /** What was pushed, and by which reader. */
  document?: string
  device?: string
}

export type LogRequest = (line: RequestLine, isHealthcheck: boolean) => void

export interface Log {
  logger: Logger
  logRequest: LogRequest
  /** Writes what is still collected; resolves after two seconds though nobody reads it. */
  flush: () => Promise<void>
}

/** Milliseconds: KOReader waits twice as long for an answer. */
const slowMs = 1000

type Level = 'debug' | 'info' | 'warn' | 'error'

/** With KSS_LOG_LEVEL=warn just the troubles are left. Health checks that went well come every few seconds, and tell nothing. */
function levelOf({ ms, status }: RequestLine, isHealthcheck: boolean): Level {
  if (status >= 500) return 'error'
  if (status >= 400 || ms > slowMs) return 'warn'
  return isHealthcheck && status === 200 ? 'debug' : 'info'
}

function messageOf({ ms, status }: RequestLine): string {
  if (status >= 400) return 'refused'
  return ms > slowMs ? 'slow request' : 'request'
}

/** Pretty on a terminal, else JSON lines. */
export async function createLogger(config: Config): Promise<Log> {
  const { KSS_LOG_LEVEL: level, KSS_LOG_FORMAT: format } = config
  // Also makes a pipe one whose writes do not wait: a thread that waits would keep the process from its end.
  const isTerminal = process.stdout.isTTY
  if (format === 'json' || (format === 'auto' && !isTerminal)) {
    const lines = new LogLines({ fd: 1, tellDropped })
    const write = (line: string): void => lines.write(escapeJson(line))
    const logger = pino({ level, base: null }, { write })
    const logRequest: LogRequest = (line, isHealthcheck) => {
      const own = levelOf(line, isHealthcheck)
      if (logger.isLevelEnabled(own)) lines.write(formatRequest(line, own))
    }
    return { logger, logRequest, flush: () => lines.flush() }
  }
  const { prettyFactory } = await import('./pretty-log.ts')
  const pretty = prettyFactory({
    // As NO_COLOR, FORCE_COLOR and TERM say.
    colorize: isTerminal && process.stdout.hasColors(),
    ignore: 'id,method,path,status,ms,user,ip,reason,document,device',
    messageFormat:
      '{msg}{if method} {method} {path} {status} {ms} ms {user} {ip}{end}{if document} {document} by {device}{end}{if reason}: {reason}{end}',
  })
  const lines = new LogLines({ fd: 1, tellDropped: (count) => pretty(tellDropped(count)) })
  const logger = pino({ level, base: null }, { write: (line: string) => lines.write(pretty(withPlainTexts(line))) })
  const logRequest: LogRequest = (line, isHealthcheck) => {
    const own = levelOf(line, isHealthcheck)
    logger[own](line, messageOf(line))
  }
  return { logger, logRequest, flush: () => lines.flush() }
}

function tellDropped(dropped: number): string {
  const msg = 'log lines were dropped: they could not be written'
  return `${JSON.stringify({ level: 40, time: Date.now(), dropped, msg })}\n`
}

/** pino-pretty prints each text as it is. The lines of a stack stay. */
function withPlainTexts(line: string): string {
  return `${JSON.stringify(JSON.parse(line, toPlain))}\n`
}

function toPlain(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  return name === 'stack' ? plainLines(value) : plain(value)
}

/** As pino formats it, in a fraction of the time: one line per request is much of what a request costs. */
function formatRequest(line: RequestLine, level: Level): string {
  const { id, method, path, status, ms, user, ip, reason, document, device = '' } = line
  const who = user === '' ? '' : `,"user":${plainQuote(user)}`
  const pushed = document === undefined ? '' : `,"document":${plainQuote(document)},"device":${plainQuote(device)}`
  const why = reason === undefined ? '' : `,"reason":${plainQuote(reason)}`
  const what = `"id":"${id}","method":"${method}","path":${plainQuote(path)},"status":${status},"ms":${ms}`
  const start = `{"level":${pino.levels.values[level]},"time":${Date.now()}`
  return `${start},${what}${who},"ip":${plainQuote(ip)}${pushed}${why},"msg":"${messageOf(line)}"}\n`
}
