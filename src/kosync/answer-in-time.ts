import type { FastifyReply, onSendHookHandler, preHandlerHookHandler } from 'fastify'
import { ProtocolError } from './protocol-error.ts'

/**
 * Milliseconds that a change may take once its request is read: a connection without a byte is cut after 12 seconds, and
 * then its client knows nothing. The rest is for a network and a proxy between them.
 */
export const patience = 8000

/** Hooks of a route. */
export interface AnswerInTime {
  preHandler: preHandlerHookHandler
  onSend: onSendHookHandler
}

/**
 * Answers 503 for a change that the disk holds up for longer. Nobody can take it back: it may be stored all the same,
 * as after an answer that is lost on its way. The clock is one that is never set: milliseconds.
 */
export function createAnswerInTime(ms: number, now = () => performance.now()): AnswerInTime {
  /** The changes under way, and when they began: the oldest first, so that one timer is enough. */
  const changes = new Map<FastifyReply, number>()
  let timer: NodeJS.Timeout | undefined

  function refuseLate(): void {
    timer = undefined
    for (const [reply, began] of changes) {
      const left = began + ms - now()
      if (left > 0) {
        timer = setTimeout(refuseLate, left)
        return
      }
      reply.send(new ProtocolError('unavailable', undefined, `the disk took over ${ms / 1000} seconds`))
      // What the handler says later is not for this client any more.
      reply.hijack()
    }
  }

  return {
    preHandler: (_request, reply, done) => {
      changes.set(reply, now())
      if (timer) timer.ref()
      else timer = setTimeout(refuseLate, ms)
      done()
    },
    onSend: (_request, reply, payload, done) => {
      changes.delete(reply)
      // Nothing that a process has to wait for.
      if (changes.size === 0) timer?.unref()
      done(null, payload)
    },
  }
}
