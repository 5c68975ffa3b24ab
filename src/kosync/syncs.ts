import type { FastifyPluginAsync } from 'fastify'
import type { AnswerInTime } from './answer-in-time.ts'
import type { Auth } from './auth.ts'
import { readCredentials } from './credentials.ts'
import { ProtocolError } from './protocol-error.ts'
import {
  documentParams,
  progressReply,
  push,
  pushReply,
  type DocumentParams,
  type Metadata,
  type Progress,
  type Push,
} from './protocol.ts'
import { quote } from '../plain.ts'
import type { Account, Now, Store } from '../store/store.ts'

/**
 * The record that somebody else has of a document of the account, whose key is known now; undefined when there is none.
 * `spentMs` is how long the reader has waited. Rejects with `unavailable` when that cannot be said.
 */
export type FindMissing = (
  account: Account,
  key: string,
  document: string,
  spentMs: number,
) => Promise<Progress | undefined>

export interface SyncsOptions {
  store: Store
  auth: Auth
  inTime: AnswerInTime
  /** Asked for documents that the store has no record of. */
  findMissing?: FindMissing | undefined
  /** Milliseconds since 1970. */
  now: () => number
}

/** Characters of a document's id that tell it from others in the log. */
const shortId = 8

/** The positions: PUT /syncs/progress and GET /syncs/progress/:document. @see PROTOCOL.md §1, §3 */
export const syncs: FastifyPluginAsync<SyncsOptions> = async (app, { store, auth, inTime, findMissing, now }) => {
  app.put<{ Body: Push }>('/syncs/progress', {
    schema: { body: push, response: { 200: pushReply } },
    ...inTime,
    ...auth.authenticated<{ Body: Push }>(async (account, request) => {
      const pushed = progressOf(request.body, Math.floor(now() / 1000))
      request.note = { document: pushed.document.slice(0, shortId).toWellFormed(), device: pushed.device }
      const { document, timestamp } = await store.putProgress(account, pushed)
      return `{"document":${quote(document)},"timestamp":${timestamp}}`
    }),
  })

  app.get<{ Params: DocumentParams }>('/syncs/progress/*', {
    schema: { params: documentParams, response: { 200: progressReply } },
    ...auth.authenticated<{ Params: DocumentParams }>((account, request, reply) => {
      const document = request.params['*']
      const record = store.getProgress(account, document)
      if (!record || record instanceof Promise) {
        const since = request.checkedSince || performance.now()
        const ask = (): Missing =>
          findMissing?.(account, readCredentials(request.headers)!.key, document, performance.now() - since)
        return textOrElse(record, ask)
      }
      // Not returned: Fastify would listen for the end of a reply that it was given back.
      reply.send(wireText(record))
      return undefined
    }),
  })
}

type Missing = Promise<Progress | undefined> | undefined

async function textOrElse(record: Now<Progress | undefined>, ask: () => Missing): Promise<string> {
  return wireText((await record) ?? (await ask()))
}

/** The fields of a record that a reader gets: not its metadata, nor what somebody added to the file. @see PROTOCOL.md §3 */
function wireText(record: Progress | undefined): string {
  if (!record) return '{}'
  const { document, percentage, progress, device, device_id, timestamp } = record
  const id = device_id === undefined ? '' : `,"device_id":${quote(device_id)}`
  const position = `"document":${quote(document)},"percentage":${percentage},"progress":${quote(progress)}`
  return `{${position},"device":${quote(device)}${id},"timestamp":${timestamp}}`
}

/** The fields kss knows; the client's own timestamp is ignored, and so is an optional field of the wrong type. */
function progressOf(body: Push, timestamp: number): Progress {
  const { document, progress, device, device_id } = body
  const percentage = Number(body.percentage)
  if (!Number.isFinite(percentage)) throw new ProtocolError('invalidRequest')
  const metadata = metadataOf(body.metadata)
  const pushed: Progress = isText(device_id)
    ? { document, percentage, progress, device, device_id, timestamp }
    : { document, percentage, progress, device, timestamp }
  if (metadata) pushed.metadata = metadata
  return pushed
}

function metadataOf(value: unknown): Metadata | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { filename, title, authors } = value as Record<string, unknown>
  const known = Object.entries({ filename, title, authors }).filter(([, text]) => isText(text))
  return known.length > 0 ? Object.fromEntries(known) : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed()
}
