import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { ConsoleOptions } from './options.ts'
import { consolePaths } from './paths.ts'

/** Answers a request as Node gives it. */
export type Answerer = (request: IncomingMessage, response: ServerResponse) => void

export interface Console {
  /** Passes the console's paths on. */
  plugin: FastifyPluginAsync
  /** Lets the console answer the request, before its body is read. */
  pass: (request: FastifyRequest, reply: FastifyReply) => Promise<void>
}

/**
 * The web console: a server of its own inside of the server, so that nothing of it, neither its parser nor its errors,
 * reaches the wire. Its modules are loaded at the first request.
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
  const plugin: FastifyPluginAsync = async (app) => {
    app.addHook('onRequest', pass)
    for (const url of [...consolePaths, ...(options.extra?.paths ?? [])])
      app.route({ method: ['GET', 'POST'], url, handler: answered })
  }
  return { plugin, pass }
}

/* c8 ignore next 2 -- the hook has answered */
/** By the hook. */
function answered(): void {}

async function loadConsole(options: ConsoleOptions): Promise<Answerer> {
  const { openConsole } = await import('./console.ts')
  return await openConsole(options)
}
