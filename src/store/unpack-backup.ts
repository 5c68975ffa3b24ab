import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { addAbortSignal, Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { text } from 'node:stream/consumers'
import { createTarDecoder } from 'modern-tar'
import { manifestName, type Manifest } from './backup.ts'
import { format } from './format.ts'

/** What is no archive that this kss can restore; the message says why. */
export class BadBackup extends Error {}

/** A file of a user, who may register, or the journal, which an archive of tar has; nothing outside of the folder. */
const wanted = /^([^/\\.][^/\\]*\/(history\/)?[^/\\.][^/\\]*|\.journal\/\d+\.log|\.registration\.json)$/

/**
 * Unpacks an archive of `kss backup create`, or of tar, into an empty folder. Rejects with BadBackup, as the file system
 * does, or when the signal aborts it; then what is in the folder is of no use.
 */
export async function unpackBackup(archive: Readable, folder: string, signal: AbortSignal): Promise<void> {
  const bytes = Readable.toWeb(addAbortSignal(signal, archive)) as ReadableStream<Uint8Array<ArrayBuffer>>
  const entries = bytes.pipeThrough(new DecompressionStream('gzip')).pipeThrough(createTarDecoder({ strict: true }))
  let files = 0
  try {
    for await (const { header, body } of entries) {
      const name = header.name.replace(/^(\.\/)+/, '')
      if (name === manifestName) checkManifest(await text(body))
      else if (header.type === 'file' && wanted.test(name)) {
        await unpackFile(join(folder, name), body)
        if (!name.startsWith('.')) files += 1
      } else await body.cancel()
    }
  } catch (error) {
    if (signal.aborted || error instanceof BadBackup || (error as NodeJS.ErrnoException).syscall !== undefined)
      throw error
    const { message, cause } = error as Error
    /* c8 ignore next -- Node 24 says it in the cause alone, Node 20 has none */
    const reason = message || (cause as Error).message
    throw new BadBackup(`it is no gzipped tar, or it is damaged (${reason})`, { cause: error })
  }
  if (files === 0) throw new BadBackup('there are no accounts in it')
}

async function unpackFile(path: string, body: ReadableStream<Uint8Array>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(path, body, { mode: 0o600 })
}

function checkManifest(json: string): void {
  const manifest = JSON.parse(json) as Manifest
  if (manifest.format > format) throw new BadBackup('a newer kss made it: install that one')
}
