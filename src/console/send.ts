import type { FastifyReply } from 'fastify'
import type { Assets } from './assets.ts'
import { layout, type Html } from './page.ts'
import type { Answer } from './route.ts'

/** Sends an answer; `navigation` is that of a signed-in account. */
export type Send = (reply: FastifyReply, answer: Answer, navigation?: Html) => FastifyReply

export function createSend(base: string, assets: Assets): Send {
  return (reply, answer, navigation) => {
    if ('redirect' in answer) return reply.redirect(base + answer.redirect, 303)
    if ('file' in answer) {
      const { file, type, download, bytes } = answer
      if (download !== undefined) reply.header('content-disposition', `attachment; filename="${plainName(download)}"`)
      if (bytes !== undefined) reply.header('content-length', bytes)
      return reply.type(type).send(file)
    }
    const { title, body, status = 200, retryAfter, refresh } = answer
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
    if (refresh !== undefined) reply.header('refresh', String(refresh))
    const text = layout({ title, body, base, assets, navigation })
    return reply.code(status).type('text/html; charset=utf-8').send(text)
  }
}

/** The file name with only letters, digits, `_`, `.` and `-` of ASCII, for the header and for any file system. */
function plainName(name: string): string {
  return name.replace(/[^\w.-]+/g, '_')
}
