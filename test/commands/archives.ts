import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packTar, type TarHeader } from 'modern-tar'

/** What a made-up archive holds: a file with a text, or anything else. */
export type Entry = [name: string, text: string, more?: Partial<TarHeader>]

/** Writes a gzipped tar of these entries. */
export async function writeEntries(path: string, entries: Entry[]): Promise<void> {
  const tar = await packTar(
    entries.map(([name, body, more]) => ({
      header: { name, size: more?.type === undefined ? Buffer.byteLength(body) : 0, mode: 0o644, ...more },
      ...(more?.type === undefined && { body }),
    })),
  )
  await writeFile(path, gzipSync(tar))
}

/** All paths below the folder with a hash of what they hold: two of them are equal when nothing changed. */
export async function snapshot(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true })
  const files = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    const held = entry.isFile()
      ? createHash('md5')
          .update(await readFile(path))
          .digest('hex')
      : 'no file'
    return [path.slice(dir.length + 1), held] as const
  })
  return Object.fromEntries(await Promise.all(files))
}
