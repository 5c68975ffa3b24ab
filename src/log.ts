import { pino, type Logger } from 'pino'
import type { Config } from './config.ts'

/** Bytes that may wait for a reader of the log who is slow or gone; what comes after is dropped. */
const maxWaiting = 16 * 2 ** 20

/** Pretty on a terminal, else JSON lines, written in the background; flushed once a second and at exit. */
export async function createLogger(config: Config): Promise<Logger> {
  const { KSS_LOG_LEVEL: level, KSS_LOG_FORMAT: format } = config
  const pretty = format === 'pretty' || (format === 'auto' && process.stdout.isTTY)
  if (!pretty) {
    const destination = pino.destination({
      fd: 1,
      sync: false,
      minLength: 4096,
      maxLength: maxWaiting,
      periodicFlush: 1000,
    })
    return pino({ level }, destination)
  }
  const { default: pinoPretty } = await import('pino-pretty')
  const stream = pinoPretty({
    colorize: process.stdout.isTTY,
    ignore: 'pid,hostname,id,method,path,status,ms,user,ip',
    messageFormat: '{msg}{if method} {method} {path} {status} {ms} ms {user} {ip}{end}',
  })
  return pino({ level }, stream)
}
