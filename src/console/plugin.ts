import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ConsoleOptions } from './options.ts'
import { consolePaths } from './paths.ts'

/** Answers a request as Node gives it. */
export type Answerer = (request: IncomingMessage, response: ServerResponse) => void

export interface Console {
  /** Its paths, behind the base path. */
  paths: string[]
  /** Lets the console answer the request, before its body is read. */
  pass: (request: FastifyRequest, reply: FastifyReply) => Promise<void>
}

/**
 * The web console: an inner server of its own, so that its parser and its errors never reach the wire.
 * Its modules are loaded at the first request.
 */
export function createConsole(options: ConsoleOptions, load = loadConsole): Console {
  let loading: Promise<Answerer> | undefined
  const pass = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    loading ??= load(options)
    const answer = await loading.catch((error: unknown) => {
      loading = undefined
      throw error
    })
    reply.hijack()
    answer(request.raw, reply.raw)
  }
  return { paths: [...consolePaths, ...(options.extra?.paths ?? [])], pass }
}

async function loadConsole(options: ConsoleOptions): Promise<Answerer> {
  const { openConsole } = await import('./console.ts')
  return await openConsole(options)
}
