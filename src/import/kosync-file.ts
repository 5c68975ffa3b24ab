import type * as MessagePack from '@msgpack/msgpack'
import { quote } from './one-line.ts'
import { importOptional } from './optional-package.ts'
import { parseSource, type SourceFile } from './source-file.ts'
import { SourceError } from './source.ts'

export const wanted = "KOsync's database.json, kosync.db or one of its .bak files"

const begin = '-----BEGIN KOSYNC BACKUP-----'
const end = '-----END KOSYNC BACKUP-----'

/** Stands for the MessagePack map key `__proto__`, which the decoder refuses. No name contains a lone surrogate. */
const escapedProto = '\ud800__proto__'

export interface KosyncFile {
  database: unknown
  /** Modification time, in seconds since 1970. */
  fileTime: number
}

/** Whether the bytes are an SQLite database. @see https://sqlite.org/fileformat.html#magic_header_string */
export function isSqlite({ bytes }: SourceFile): boolean {
  return bytes.toString('latin1', 0, 16) === 'SQLite format 3\0'
}

/** Decodes a database.json, or a backup: the same data as JSON or MessagePack inside PEM. Throws SourceError. */
export async function decodeKosyncFile({ bytes, fileTime }: SourceFile, path: string): Promise<KosyncFile> {
  const start = bytes.indexOf(begin)
  // A user name in a database.json could contain the PEM line; but JSON begins with a brace.
  if (start === -1 || /^\s*\{/.test(bytes.toString('latin1', 0, start))) {
    return { database: parseSource(bytes, path, wanted), fileTime }
  }
  const stop = bytes.indexOf(end, start)
  if (stop === -1) throw new SourceError(`${path} is cut off: it has no line ${end}. Give another backup.`)
  const { headers, body } = parsePem(bytes.toString('latin1', start + begin.length, stop))
  const created = Date.parse(headers.get('created-at') ?? '') / 1000
  const database = await decodeBody(Buffer.from(body, 'base64'), headers.get('content-type'), path)
  return { database, fileTime: Number.isNaN(created) ? fileTime : Math.floor(created) }
}

/** The entries of a map in the file, whatever their names. */
export function entriesOf(map: Record<string, unknown>): [string, unknown][] {
  return Object.entries(map).map(([name, value]) => [name === escapedProto ? '__proto__' : name, value])
}

/** @see RFC 1421: `name: value` lines, an empty line, then the base64. */
function parsePem(text: string): { headers: Map<string, string>; body: string } {
  const headers = new Map<string, string>()
  let at = 0
  for (const [line, name = '', value = ''] of text.matchAll(/\s*([\w-]+):(.*)\r?\n/gy)) {
    headers.set(name.toLowerCase(), value.trim())
    at += line.length
  }
  return { headers, body: text.slice(at) }
}

async function decodeBody(body: Buffer, contentType: string | undefined, path: string): Promise<unknown> {
  // The oldest backups have no type header; they are JSON.
  if (contentType === undefined || contentType.includes('json')) return parseSource(body, path, wanted)
  if (contentType.includes('msgpack')) return await decodeMsgpack(body, path)
  throw new SourceError(`${path} holds ${quote(contentType)}, which kss cannot read. Give the path of ${wanted}.`)
}

async function decodeMsgpack(body: Buffer, path: string): Promise<unknown> {
  const { decode } = await importOptional<typeof MessagePack>('@msgpack/msgpack', '3')
  const keyDecoder = {
    canBeCached: (length: number) => length === '__proto__'.length,
    decode: (bytes: Uint8Array, offset: number, length: number) => {
      const key = Buffer.from(bytes.subarray(offset, offset + length)).toString()
      return key === '__proto__' ? escapedProto : key
    },
  }
  try {
    return decode(body, { keyDecoder })
  } catch (error) {
    throw new SourceError(`${path} is damaged: its MessagePack does not decode. Give another backup.`, { cause: error })
  }
}
